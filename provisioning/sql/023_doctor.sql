-- What `provctl doctor` finds in the database: rights, queues, and settings that do not fit what is configured.
set local search_path = provbox, pg_temp;

-- Rights that a role has too many, in words; null: none.
create function role_excess(p_role name) returns text
language plpgsql stable set search_path = provbox, pg_temp as $$
declare
	r pg_roles;
begin
	select * into r from pg_roles where rolname = p_role;
	return concat_ws(', ',
		case when r.rolsuper then 'superuser' end,
		case when r.rolcreaterole then 'createrole' end,
		case when r.rolcreatedb then 'createdb' end,
		case when r.rolreplication then 'replication' end,
		case when r.rolbypassrls then 'bypassrls' end,
		(select 'member of ' || string_agg(g.rolname, ' ') from pg_auth_members m join pg_roles g on g.oid = m.roleid
			where m.member = r.oid),
		(select 'tables: ' || string_agg(c.relname, ' ' order by c.relname) from pg_class c
			where c.relnamespace = 'provbox'::regnamespace and c.relkind in ('r', 'v') and not r.rolsuper
				and (has_any_column_privilege(r.oid, c.oid, 'select, insert, update, references')
					or has_table_privilege(r.oid, c.oid, 'delete, truncate, trigger'))
				and not exists (select from pg_auth_members m where m.member = r.oid)),
		(select 'sequences: ' || string_agg(c.relname, ' ' order by c.relname) from pg_class c
			where c.relnamespace = 'provbox'::regnamespace and not r.rolsuper
				and case c.relkind when 'S' then has_sequence_privilege(r.oid, c.oid, 'usage, select, update') end
				and not exists (select from pg_auth_members m where m.member = r.oid)),
		case when not r.rolsuper and has_schema_privilege(r.oid, 'provbox', 'create')
			and not exists (select from pg_auth_members m where m.member = r.oid) then 'creates in the schema' end);
end
$$;

create function doctor_roles() returns table (name text, verdict text, found text, fix text)
language plpgsql stable set search_path = provbox, pg_temp as $$
#variable_conflict use_column
declare
	who name;
	lacks text;
	calls text;
	excess text;
begin
	foreach who in array '{provbox_server,provbox_smsc,provbox_operator}'::name[] loop
		name := 'role ' || who;
		lacks := (select string_agg(routine, ', ' order by routine) from (select routine from role_right
			where role = who except select routine from rights_read() where role = who) x);
		calls := (select string_agg(routine, ', ' order by routine) from (select routine from rights_read()
			where role = who except select routine from role_right where role = who) x);
		excess := role_excess(who);
		if not exists (select from pg_roles where rolname = who) then
			return query select name, 'fail', 'there is no such role', 'provctl db init';
		elsif not has_schema_privilege(who, 'provbox', 'usage') then
			return query select name, 'fail', 'may not call its functions',
				format('grant usage on schema provbox to %s', who);
		elsif lacks is not null then
			return query select name, 'fail', 'may not call ' || lacks,
				format('set search_path = provbox; grant execute on function %s to %s', lacks, who);
		elsif calls is not null then
			return query select name, 'fail', 'may call what is not for it: ' || calls,
				format('set search_path = provbox; revoke execute on function %s from %s', calls, who);
		elsif excess <> '' then
			return query select name, 'fail', 'has too many rights: ' || excess,
				format('alter role %1$s nosuperuser nocreaterole nocreatedb noreplication nobypassrls; revoke all on all tables in schema provbox from %1$s; revoke all on all sequences in schema provbox from %1$s; revoke create on schema provbox from %1$s; revoke what it is a member of', who);
		else
			return query select name, 'ok', 'its functions and nothing else', null;
		end if;
	end loop;
	if exists (select from pg_roles where rolname = 'provbox_owner' and rolcanlogin) then
		return query select 'role provbox_owner', 'fail', 'can log in, and owns everything', 'alter role provbox_owner nologin';
	end if;
	if exists (select from pg_proc where pronamespace = 'provbox'::regnamespace and prosecdef
		and has_function_privilege('public', oid, 'execute')) then
		return query select 'role public', 'fail', 'may call functions of the schema',
			'revoke execute on all functions in schema provbox from public';
	end if;
end
$$;

create function doctor_queues() returns table (name text, verdict text, found text, fix text)
language sql stable set search_path = provbox, pg_temp as $$
	select 'queue ' || kind, case when dead > 0 then 'fail' when oldest_s > 300 then 'warn' else 'ok' end,
		case when dead > 0 then dead || ' dead, ' else '' end || due || ' due, the oldest ' || round(oldest_s) || ' s old',
		case when dead > 0 then 'provctl outbox list --state=dead; mend the cause; provctl outbox retry ID, or drop ID'
			when oldest_s > 300 then 'provctl outbox list --state=due tells the last error' end
	from queue_read() where due + dead > 0
	union all
	select 'queue', 'ok', 'nothing is due or dead', null where not exists (select from queue_read() where due + dead > 0)
	union all
	select 'link ' || name, 'warn', 'last seen ' || to_char(seen at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS'),
		'start provbox-smsc with this bearerbox, or wait: others have its numbers'
	from smsc_link where seen < clock_timestamp() - setting_interval('link_failover')
$$;

-- Settings and data against what the files of the daemons say. A member of p_site is there when its file was read.
create function doctor_settings(p_site jsonb) returns table (name text, verdict text, found text, fix text)
language sql stable set search_path = provbox, pg_temp as $$
	select c.name, c.verdict, c.found, c.fix from (values
		('verification', 'fail', 'is `service`, and the server has no verification_url: first requests wait until they expire',
			'name verification_url in server.conf, or: provctl setting put verification local',
			setting_text('verification') = 'service' and p_site ->> 'verification_url' = ''),
		('verification', 'warn', 'is `local`, and the server has a verification_url, which nobody asks',
			'provctl setting put verification service', setting_text('verification') = 'local' and p_site ->> 'verification_url' <> ''),
		('billing_delivery', 'fail', 'is `' || setting_text('billing_delivery') || '`, and the server has no billing_url: events wait',
			'name billing_url in server.conf, or: provctl setting put billing_delivery file',
			setting_text('billing_delivery') <> 'file' and p_site ->> 'billing_url' = ''),
		('billing_delivery', 'fail', 'is `' || setting_text('billing_delivery') || '`, and the server has no billing_folder: events wait',
			'name billing_folder in server.conf, or: provctl setting put billing_delivery post',
			setting_text('billing_delivery') <> 'post' and p_site ->> 'billing_folder' = ''),
		('billing_delivery', 'warn', 'is `post`, and the server has a billing_folder, into which nothing comes',
			'provctl setting put billing_delivery both',
			setting_text('billing_delivery') = 'post' and p_site ->> 'billing_folder' <> ''),
		('bare_smsc_ids', 'warn', 'is `*` with several bearerboxes: a bare YES counts over each of them',
			'provctl setting put bare_smsc_ids ID,ID, or - for none',
			setting_text('bare_smsc_ids') = '*' and (p_site ->> 'bearerboxes')::int > 1),
		('credential_life', 'fail', 'is shorter than a grant lives: a clone can go unseen',
			'provctl setting put credential_life ''10 minutes''', setting_interval('credential_life') < interval '10 minutes'),
		('mail_url', 'warn', 'is empty, and devices have e-mail addresses: copies of terms wait', 'name mail_url in server.conf',
			p_site ->> 'mail_url' = '' and exists (select from device where email is not null)),
		('hook_url', 'warn', 'is empty, and devices have fax numbers: copies of terms wait', 'name hook_url in server.conf',
			p_site ->> 'hook_url' = '' and exists (select from device where fax is not null)),
		('catalogue', 'warn', 'there is none: no request can be made', 'provctl catalogue load PATH', catalogue_current() is null)
	) c (name, verdict, found, fix, is_so) where is_so
$$;

create function doctor_devices() returns table (name text, verdict text, found text, fix text)
language sql stable set search_path = provbox, pg_temp as $$
	select 'devices', 'warn', count(*) || ' without a number, as ' || min(dev) || ': terms cannot reach them',
		'import them with msisdn: provctl device import FILE'
	from device where msisdn is null having count(*) > 0
	union all
	select 'devices', 'warn', count(*) || ' without an owner, as ' || min(dev) || ': their requests cannot be verified',
		'import them with given_name, family_name and postcode: provctl device import FILE'
	from device where given_name is null or family_name is null or postcode is null having count(*) > 0
$$;

create function doctor_read(p_site jsonb) returns table (looks_at text, name text, verdict text, found text, fix text)
language plpgsql stable security definer set search_path = provbox, pg_temp as $$
begin
	return query
		select 'rights', r.* from doctor_roles() r
		union all
		select 'queues', q.* from doctor_queues() q
		union all
		select 'settings', s.* from doctor_settings(p_site) s
		union all
		select 'data', d.* from doctor_devices() d;
end
$$;

grant execute on function doctor_read to provbox_operator;
