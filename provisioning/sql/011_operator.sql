-- What an operator sees and does. Numbers are masked in everything that is only looked at.
set local search_path = provbox, pg_temp;

-- Devices -------------------------------------------------------------------------------------------------------

-- Null when a row can be imported, else what is wrong with it. Names its schema, so that it is put in place of its call.
create function import_problem(p_row jsonb) returns text
language sql immutable as $$
	select case
		when not provbox.is_text_at(p_row, '{dev}',
			'^urn:(gsma:imei:[0-9]{8}-[0-9]{6}-0|device-id:meid:[0-9a-f]{14})$') then 'dev is not urn:gsma:imei:TTTTTTTT-SSSSSS-0'
			' or urn:device-id:meid: with 14 hex digits'
		when not provbox.is_text_at(p_row, '{msisdn}', '^\+[1-9][0-9]{6,14}$') then 'msisdn is not + and 7 to 15 digits'
		when not provbox.is_line_at(p_row, '{model}') then 'model is missing or too long'
		when not (provbox.is_line_at(p_row, '{given_name}')
			and provbox.is_line_at(p_row, '{family_name}')
			and provbox.is_line_at(p_row, '{postcode}'))
			then 'given_name, family_name or postcode is missing or too long'
		when p_row ? 'language' and not provbox.is_text_at(p_row, '{language}', '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$')
			then 'language is not a language tag'
		when p_row ? 'cred' and not provbox.is_text_at(p_row, '{cred}', '^([0-9a-f]{64})?$')
			then 'cred is not 64 hex digits'
		when p_row ? 'email' and not (provbox.is_text_at(p_row, '{email}', '^$')
			or provbox.is_text_at(p_row, '{email}', '@') and provbox.is_email(p_row ->> 'email')) then 'email is no address'
		when p_row ? 'fax' and not provbox.is_text_at(p_row, '{fax}', '^(\+[1-9][0-9]{6,14})?$')
			then 'fax is not + and 7 to 15 digits'
	end
$$;

-- Of these rows, which can be imported, add the devices that are not there; returns the numbers of the rows that did.
create function devices_add(p_rows jsonb, p_numbers int[]) returns int[]
language plpgsql set search_path = provbox, pg_temp as $$
declare
	added int[];
begin
	with given as materialized (
		select distinct on (value ->> 'dev') p.n, value ->> 'dev' as dev, value as r
		from unnest(p_numbers) p (n) cross join lateral (select p_rows -> (p.n - 1)) v (value)
		order by value ->> 'dev', p.n
	), new as (
		insert into device (dev, msisdn, model, given_name, family_name, postcode, language, cred, email, fax)
		select dev, r ->> 'msisdn', r ->> 'model', r ->> 'given_name', r ->> 'family_name', r ->> 'postcode',
			coalesce(r ->> 'language', 'en'), decode(nullif(r ->> 'cred', ''), 'hex'), nullif(r ->> 'email', ''),
			nullif(r ->> 'fax', '')
		from given order by dev
		on conflict do nothing returning device.dev
	), told as (
		insert into event (dev, kind, actor) select dev, 'import_added', 'operator' from new order by dev
	)
	select array_agg(g.n) into added from new join given g using (dev);
	return coalesce(added, '{}');
end
$$;

-- Change what is known of a device that is there; false when nothing was new.
create function device_change(p_row jsonb) returns boolean
language plpgsql set search_path = provbox, pg_temp as $$
declare
	old device;
	new device;
begin
	select * into strict old from device where dev = p_row ->> 'dev' for no key update;
	new := old;
	new.msisdn := p_row ->> 'msisdn';
	new.model := p_row ->> 'model';
	new.given_name := p_row ->> 'given_name';
	new.family_name := p_row ->> 'family_name';
	new.postcode := p_row ->> 'postcode';
	new.language := coalesce(p_row ->> 'language', old.language);
	if p_row ? 'cred' then
		new.cred := decode(nullif(p_row ->> 'cred', ''), 'hex');
	end if;
	if p_row ? 'email' then
		new.email := nullif(p_row ->> 'email', '');
	end if;
	if p_row ? 'fax' then
		new.fax := nullif(p_row ->> 'fax', '');
	end if;
	if new is not distinct from old then
		return false;
	end if;
	update device set (msisdn, model, given_name, family_name, postcode, language, cred, email, fax) =
		(new.msisdn, new.model, new.given_name, new.family_name, new.postcode, new.language, new.cred, new.email, new.fax)
	where dev = old.dev;
	perform event_put(old.dev, null, 'import_changed', 'operator', null, null);
	return true;
end
$$;

-- Add devices or change what is known of them, each of the two in the order of their names; never changes a standing. A row
-- without language, cred, email or fax leaves them as they are; an empty one of the last three takes it away. Of two rows
-- of a device the later wins.
create function device_import(p_rows jsonb) returns table (n int, dev text, outcome text, problem text)
language plpgsql security definer set search_path = provbox, pg_temp as $$
#variable_conflict use_column
declare
	problems text[] := array(
		select import_problem(value) from jsonb_array_elements(p_rows) with ordinality r (value, n) order by n);
	added int[] := devices_add(p_rows, array(
		select p.n::int from unnest(problems) with ordinality p (problem, n) where p.problem is null));
	changed int[] := '{}';
	r record;
begin
	for r in
		select p.n::int, p_rows -> (p.n::int - 1) as given from unnest(problems) with ordinality p (problem, n)
		where p.problem is null and p.n <> all (added) order by p_rows -> (p.n::int - 1) ->> 'dev', p.n
	loop
		if device_change(r.given) then
			changed := changed || r.n;
		end if;
	end loop;
	return query
		select p.n::int, left(p_rows -> (p.n::int - 1) ->> 'dev', 100), case when p.problem is not null then 'refused'
			when p.n = any (added) then 'added' when p.n = any (changed) then 'changed' else 'unchanged' end, p.problem
		from unnest(problems) with ordinality p (problem, n) order by p.n;
end
$$;

-- credentials: what is live of a device without a pinned credential, and after a clone what the two were.
create function device_show(p_dev text)
returns table (dev text, standing text, reason text, epoch bigint, number text, model text, firmware text, language text,
	given_name text, family_name text, postcode text, email text, fax text, cred text, credentials text[], account timestamptz,
	features text[], created timestamptz, changed timestamptz)
language sql stable security definer set search_path = provbox, pg_temp as $$
	select d.dev, d.standing, d.reason, d.epoch, masked(d.msisdn), d.model, d.firmware, d.language, d.given_name,
		d.family_name, d.postcode, masked_email(d.email), masked(d.fax), hex(d.cred), credentials_seen(d), a.opened,
		coalesce((select array_agg(f.feature || ' ' || f.version order by f.feature)
			from device_feature f where f.dev = d.dev), '{}'), d.created, d.changed
	from device d left join account a on a.dev = d.dev where d.dev = p_dev
$$;

create function device_events(p_dev text, p_limit int)
returns table (at timestamptz, actor text, event text, request uuid, item text, from_state text, to_state text,
	reason text, detail jsonb)
language sql stable security definer set search_path = provbox, pg_temp as $$
	select x.at, x.actor, x.kind, r.id, x.item, x.from_state, x.to_state, x.reason, x.detail
	from (select * from event where dev = p_dev and request is null
		or request = any (array(select rid from request where dev = p_dev)) order by id desc limit p_limit) x
	left join request r on r.rid = x.request
	order by x.id
$$;

-- Give a device a standing for a reason: a code of the table, or a note in the operator's words.
create function device_restrict(p_dev text, p_standing text, p_reason text) returns boolean
language plpgsql set search_path = provbox, pg_temp as $$
begin
	if not exists (select from device where dev = p_dev) then
		return false;
	end if;
	perform standing_move(p_dev, p_standing, null, 'operator',
		coalesce((select code from reason where code = p_reason), 'operator_decision'),
		jsonb_strip_nulls(jsonb_build_object('note', left(p_reason, 200))));
	return true;
end
$$;

create function device_block(p_dev text, p_reason text) returns boolean
language sql security definer set search_path = provbox, pg_temp as $$
	select device_restrict(p_dev, 'blocked', p_reason)
$$;

create function device_limit(p_dev text, p_reason text) returns boolean
language sql security definer set search_path = provbox, pg_temp as $$
	select device_restrict(p_dev, 'limited', p_reason)
$$;

-- Give a blocked or limited device the standing back that it had before.
create function device_unblock(p_dev text) returns boolean
language plpgsql security definer set search_path = provbox, pg_temp as $$
declare
	d device;
begin
	select * into d from device where dev = p_dev for no key update;
	if found and d.standing in ('limited', 'blocked') then
		perform standing_move(p_dev, coalesce(d.former_standing, 'unprovisioned'), null, 'operator',
			'operator_decision', null);
	end if;
	return d.dev is not null;
end
$$;

-- Pin a credential, and take back what was done to the device because two were live. Raises 22023 when it is no SHA-256.
create function device_trust(p_dev text, p_cred text) returns boolean
language plpgsql security definer set search_path = provbox, pg_temp as $$
declare
	d device;
begin
	if p_cred !~ '^[0-9a-f]{64}$' then
		raise 'a credential is 64 hex digits: %', left(p_cred, 100) using errcode = '22023';
	end if;
	select * into d from device where dev = p_dev for no key update;
	if not found then
		return false;
	end if;
	update device set cred = decode(p_cred, 'hex') where dev = p_dev;
	perform event_put(p_dev, null, 'credential_trusted', 'operator', 'operator_decision',
		jsonb_build_object('cred', p_cred));
	if d.reason = 'device_clone' then
		perform standing_move(p_dev, (select from_state from event where dev = p_dev and request is null
			and kind = 'standing' order by id desc limit 1), null, 'operator', 'operator_decision', null);
	end if;
	return true;
end
$$;

-- Requests and notices ------------------------------------------------------------------------------------------

-- A state in a filter that there is not is a slip of the pen, and not an empty list.
create function states_check(p_filter jsonb, p_states text[]) returns void
language plpgsql immutable set search_path = provbox, pg_temp as $$
declare
	unknown text := (select string_agg(s, ', ') from regexp_split_to_table(p_filter ->> 'state', ',') s
		where s <> all (p_states));
begin
	if unknown is not null then
		raise 'no such state: %; there are %', unknown, array_to_string(p_states, ', ') using errcode = 'PB002';
	end if;
end
$$;

create function request_list(p_filter jsonb)
returns table (id uuid, dev text, number text, state text, reason text, items text, catalogue int,
	created timestamptz, changed timestamptz)
language plpgsql stable security definer set search_path = provbox, pg_temp as $$
#variable_conflict use_column
begin
	perform states_check(p_filter, (select array_agg(state order by not is_open, state) from request_state));
	return query
		select r.id, r.dev, masked(coalesce(o.msisdn, d.msisdn)), r.state, r.reason,
			(select string_agg(i.feature || '=' || i.state, ' ' order by i.position) from item i where i.request = r.rid),
			r.catalogue, r.created, r.changed
		from request r join device d on d.dev = r.dev left join offer o on o.request = r.rid
		where (not p_filter ? 'dev' or r.dev = p_filter ->> 'dev')
			and (not p_filter ? 'id' or r.id::text = p_filter ->> 'id')
			and (not p_filter ? 'state' or r.state = any (string_to_array(p_filter ->> 'state', ',')))
			and (not p_filter ? 'reason' or r.reason = p_filter ->> 'reason')
		order by r.rid desc limit coalesce((p_filter ->> 'limit')::int, 50);
end
$$;

-- The whole story of a request in time order: its events and what became of each part of each message.
create function request_show(p_dev text, p_id uuid)
returns table (at timestamptz, actor text, event text, subject text, from_state text, to_state text, reason text,
	detail jsonb)
language sql stable security definer set search_path = provbox, pg_temp as $$
	with r as (select rid from request where id = p_id and (p_dev is null or dev = p_dev)),
	p as (select p.*, 'notice ' || n.id || ' part ' || p.part || '/' || n.parts as subject
		from notice_part p join notice n on n.id = p.notice where n.request in (select rid from r))
	select at, actor, event, subject, from_state, to_state, reason, detail from (
		select at, id, actor, kind as event,
			coalesce(item, 'notice ' || (detail ->> 'notice'),
				case kind when 'standing' then 'device' else 'request' end) as subject,
			from_state, to_state, reason, detail - 'notice' as detail
		from event where request in (select rid from r)
		union all
		select sent, 0, 'smsc', 'part_sent', subject, null, 'sent', null,
			jsonb_build_object('attempt', attempt)
		from p
		union all
		select reported, 0, 'smsc', 'part_reported', subject, 'sent', state, null, jsonb_strip_nulls(
			jsonb_build_object('attempt', attempt, 'smsc_message', foreign_id, 'answer', nullif(answer, '')))
		from p where reported is not null) story
	order by at, id
$$;

-- The legal record of the answer to the terms of a request: none while there is no answer. text is what was offered, and
-- is_intact whether it still has the hash that was accepted.
create function agreement_read(p_dev text, p_id uuid)
returns table (answer text, at timestamptz, channel text, how text, source jsonb, language text, terms_version text,
	terms_sha256 text, is_intact boolean, text text)
language sql stable security definer set search_path = provbox, pg_temp as $$
	select a.answer, a.at, a.channel, a.how, jsonb_strip_nulls(a.source || jsonb_build_object(
			'number', masked(a.source ->> 'number'))), a.language, a.terms_version, hex(a.terms_sha256),
		sha256(convert_to(t.text, 'UTF8')) = a.terms_sha256, t.text
	from request r join acceptance a on a.request = r.rid
	join terms t on t.catalogue = a.catalogue and t.language = a.language
	where r.id = p_id and (p_dev is null or r.dev = p_dev)
$$;

create function notice_list(p_filter jsonb)
returns table (id bigint, request uuid, dev text, number text, kind text, language text, state text, reason text,
	parts int, characters int, created timestamptz, changed timestamptz)
language plpgsql stable security definer set search_path = provbox, pg_temp as $$
#variable_conflict use_column
begin
	perform states_check(p_filter, (select array_agg(state order by state) from unnest(notice_states()) state));
	return query
		select n.id, r.id, n.dev, masked(n.msisdn), n.kind, n.language, n.state, n.reason, n.parts, length(n.text),
			n.created, n.changed
		from notice n left join request r on r.rid = n.request
		where (not p_filter ? 'dev' or n.dev = p_filter ->> 'dev')
			and (not p_filter ? 'request' or r.id::text = p_filter ->> 'request')
			and (not p_filter ? 'state' or n.state = any (string_to_array(p_filter ->> 'state', ',')))
		order by n.id desc limit coalesce((p_filter ->> 'limit')::int, 50);
end
$$;

-- Policy and status ---------------------------------------------------------------------------------------------

create function policy_list() returns table (subject text, reason text, outcome text)
language sql stable security definer set search_path = provbox, pg_temp as $$
	select subject, reason, outcome from policy order by 1, 2
$$;

create function policy_put(p_subject text, p_reason text, p_outcome text) returns void
language plpgsql security definer set search_path = provbox, pg_temp as $$
begin
	if p_outcome not in ('prevent', 'limited', 'register') then
		raise 'an outcome is prevent, limited or register, not %', p_outcome using errcode = '22023';
	end if;
	update policy set outcome = p_outcome where subject = p_subject and reason = p_reason;
	if not found then
		raise 'no such policy: % %; see provctl policy list', p_subject, p_reason using errcode = '22023';
	end if;
end
$$;

-- How many rows have which value in a column of few values. Of a small table they are counted. Of a large one that would take
-- seconds: what p_exact lists is counted, for which there is an index; how many have another of p_values is told from the
-- statistics of ANALYZE, as about N, and as under N what is too rare to be in them: of 30,000 rows, which it looks at, none.
create function tally(p_table regclass, p_column text, p_values text[], p_exact text[]) returns table (name text, n text)
language plpgsql stable set search_path = provbox, pg_temp as $$
declare
	total numeric;
begin
	select reltuples / nullif(relpages, 0) * (pg_relation_size(oid) / current_setting('block_size')::int) into total
	from pg_class where oid = p_table;
	if coalesce(total, 0) < 100000 then
		return query execute format('select %1$I, count(*)::text from %2$s group by 1', p_column, p_table);
		return;
	end if;
	return query execute format('select %1$I, count(*)::text from %2$s where %1$I = any (%3$L) group by 1', p_column, p_table,
		p_exact);
	return query
		with common as (
			select u.value, round(u.share::numeric * total) as n
			from pg_stats s
			cross join unnest(s.most_common_vals::text::text[], s.most_common_freqs) u (value, share)
			where format('%I.%I', s.schemaname, s.tablename)::regclass = p_table and s.attname = p_column)
		select v, coalesce('about ' || round(c.n, 2 - floor(log(greatest(c.n, 1)))::int), 'under ' || ceil(total / 10000))
		from unnest(p_values) v left join common c on c.value = v where v <> all (p_exact);
end
$$;

create function status_read() returns table (section text, name text, value text)
language sql stable security definer set search_path = provbox, pg_temp as $$
	with queue as materialized (select * from queue_read())
	select section, name, value from (
		select 1 as n, 'schema' as section, 'version' as name, schema_version_read()::text as value
		union all
		select 2, 'catalogue', 'version', coalesce(catalogue_current()::text, 'none')
		union all
		select 3, 'devices', t.name, t.n from tally('device', 'standing', '{active,unprovisioned,limited,blocked}',
			'{limited,blocked}') t
		union all
		select 4, 'requests', t.name, t.n from tally('request', 'state', array(select state from request_state),
			array(select state from request_state where is_open)) t
		union all
		select 5, 'notices', t.name, t.n from tally('notice', 'state', notice_states(), '{}') t
		union all
		select 6, 'outbox', kind || ' due', due::text from queue where due + dead > 0
		union all
		select 7, 'outbox', kind || ' dead', dead::text from queue where dead > 0
		union all
		select 8, 'outbox', kind || ' oldest', round(oldest_s)::text || ' s' from queue where due > 0) s
	order by n, name
$$;
