-- The roles of a cluster. Roles are shared by all databases of a cluster, so this file is not a migration: it may
-- run again, and adds what is not there yet; what is set to another value stays. Run as a superuser or with CREATEROLE.
do $$
declare
	name text;
	wanted record;
begin
	if not exists (select from pg_roles where rolname = 'provbox_owner') then
		create role provbox_owner nologin;
	end if;
	foreach name in array array['provbox_server', 'provbox_smsc', 'provbox_operator'] loop
		if not exists (select from pg_roles where rolname = name) then
			execute format('create role %I login', name);
		end if;
	end loop;
	for wanted in
		select * from (values
			-- What the daemons ask has an index, and their plans are kept: one that was made while a table was
			-- small would read it from end to end for long after it has grown. decisions/026.
			('provbox_server', 'enable_seqscan', 'off'), ('provbox_server', 'jit', 'off'),
			('provbox_smsc', 'enable_seqscan', 'off'), ('provbox_smsc', 'jit', 'off'),
			-- Its statements take lists, shorter than PostgreSQL takes a list to be that it does not know: it would
			-- make the plan anew for each.
			('provbox_smsc', 'plan_cache_mode', 'force_generic_plan')) as s (role, key, value)
		where not exists (
			select from pg_db_role_setting d, unnest(d.setconfig) as is_set
			where d.setdatabase = 0 and d.setrole = s.role::regrole and is_set like s.key || '=%')
	loop
		execute format('alter role %I set %I = %L', wanted.role, wanted.key, wanted.value);
	end loop;
end
$$;
