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
		end if;
	end loop;
end
$$;
