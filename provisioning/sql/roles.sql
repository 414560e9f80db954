-- The roles of a cluster. Roles are shared by all databases of a cluster, so this file is not a migration: it may
-- run again, and changes nothing that is there. Run as a superuser or with CREATEROLE.
do $$
declare
	name text;
begin
	if not exists (select from pg_roles where rolname = 'provbox_owner') then
		create role provbox_owner nologin;
	end if;
	foreach name in array array['provbox_server', 'provbox_smsc', 'provbox_operator'] loop
		if not exists (select from pg_roles where rolname = name) then
			execute format('create role %I login', name);
			-- What the daemons ask has an index, and their plans are kept: one that was made while a table was
			-- small would read it from end to end for long after it has grown. decisions/026.
			if name <> 'provbox_operator' then
				execute format('alter role %I set enable_seqscan = off', name);
				execute format('alter role %I set jit = off', name);
			end if;
			-- Its statements take lists, shorter than PostgreSQL takes a list to be that it does not know: it would make
			-- the plan anew for each.
			if name = 'provbox_smsc' then
				execute format('alter role %I set plan_cache_mode = force_generic_plan', name);
			end if;
		end if;
	end loop;
end
$$;
