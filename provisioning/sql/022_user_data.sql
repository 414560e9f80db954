-- What is held of a person, told and erased. doc/user-data.md says what stays, and why.
set local search_path = provbox, pg_temp;

insert into reason (code, meaning, advice) values
('user_erased', 'An operator erased what was held of the subscriber.', 'Nothing to do; import the device again for its next subscriber.');

-- Where data of a person are: devices, their requests (rids), the numbers that are no other device's, the requests whose
-- terms went to these (offers), notices, and messages from handsets.
create type user_scope as (devs text[], rids bigint[], numbers text[], offers bigint[], notices bigint[], messages text[]);

-- p_who is a device, or a number with all devices that have it; nothing is found of what is not known.
create function user_find(p_who text) returns user_scope
language plpgsql stable set search_path = provbox, pg_temp as $$
declare
	s user_scope;
	had text[]; -- all numbers that the devices had, also those that others have now
begin
	s.devs := array(select dev from device where dev = p_who or msisdn = p_who order by dev);
	s.rids := array(select rid from request where dev = any (s.devs) order by rid);
	had := array(select msisdn from device where dev = any (s.devs)
		union select msisdn from offer where request = any (s.rids)
		union select msisdn from notice where request = any (s.rids)
		union select msisdn from notice where dev = any (s.devs) and request is null
		union select p_who where p_who like '+%');
	s.numbers := array(select n from unnest(had) n
		where not exists (select from device where msisdn = n and dev <> all (s.devs)) order by n);
	s.offers := array(select request from offer where request = any (s.rids)
		union select request from offer where msisdn = any (s.numbers) order by 1);
	s.notices := array(select id from notice where request = any (s.rids)
		union select id from notice where dev = any (s.devs) and request is null
		union select id from notice where msisdn = any (s.numbers) order by 1);
	s.messages := array(select id from mo where sender = any (had) and (sender = any (s.numbers)
		or request in (select id from request where rid = any (s.rids))) order by id);
	return s;
end
$$;

create function user_is_known(p_scope user_scope) returns boolean
language plpgsql stable set search_path = provbox, pg_temp as $$
begin
	return p_scope.devs <> '{}' or p_scope.offers <> '{}' or p_scope.notices <> '{}' or p_scope.messages <> '{}'
		or exists (select from number_stop where msisdn = any (p_scope.numbers));
end
$$;

-- Tell on each device, or alone where there is none, what was done with a person's data, and by whom: never the data.
create function user_event(p_devs text[], p_kind text, p_reason text, p_detail jsonb) returns void
language plpgsql set search_path = provbox, pg_temp as $$
begin
	perform event_put(dev, null, p_kind, 'operator', p_reason, p_detail)
	from unnest(case p_devs when '{}' then array[null]::text[] else p_devs end) dev;
end
$$;

-- The rows of a query over a scope, $1, in JSON.
create function user_rows(p_query text, p_scope user_scope) returns jsonb
language plpgsql stable set search_path = provbox, pg_temp as $$
declare
	found_rows jsonb;
begin
	execute format('select coalesce(jsonb_agg(to_jsonb(x)), ''[]'') from (%s) x', p_query) into found_rows using p_scope;
	return found_rows;
end
$$;

-- All that is held of a person, in JSON; null when nothing is. p_by asked for it, which is an event.
create function user_export(p_who text, p_by text) returns jsonb
language plpgsql security definer set search_path = provbox, pg_temp as $$
declare
	s user_scope := user_find(p_who);
begin
	if not user_is_known(s) then
		return null;
	end if;
	perform user_event(s.devs, 'user_exported', null, jsonb_build_object('by', left(p_by, 100)));
	return jsonb_build_object('of', p_who, 'made', rfc3339(clock_timestamp()),
		'devices', user_rows('select dev, msisdn, model, firmware, standing, reason, hex(cred) as cred, language,
			given_name, family_name, postcode, email, fax, created, changed
			from device where dev = any (($1).devs) order by dev', s),
		'accounts', user_rows('select * from account where dev = any (($1).devs) order by dev', s),
		'requests', user_rows('select rid, id, dev, state, reason, catalogue, body, created, changed,
			(select jsonb_agg(jsonb_strip_nulls(jsonb_build_object(''id'', feature, ''state'', state, ''reason'', reason,
				''version'', version, ''installed_version'', installed_version, ''changed'', changed)) order by position)
				from item where request = rid) as items
			from request where rid = any (($1).rids) order by rid', s),
		'offers', user_rows('select request as rid, msisdn, language, made, expires, is_open, wrong_codes
			from offer where request = any (($1).offers) order by request', s),
		'answers', user_rows('select a.request as rid, a.answer, a.at, a.channel, a.how, a.source, a.language,
			a.terms_version, hex(a.terms_sha256) as terms_sha256, t.text as terms
			from acceptance a join terms t on t.catalogue = a.catalogue and t.language = a.language
			where a.request = any (($1).offers) order by a.request', s),
		'notices', user_rows('select id, request as rid, dev, msisdn, kind, language, text, sealed is not null as is_sealed,
			state, reason, created, changed, (select jsonb_agg(jsonb_build_object(''part'', part, ''attempt'', attempt,
				''state'', state, ''smsc_message'', foreign_id, ''answer'', answer, ''sent'', sent, ''reported'', reported)
				order by part, attempt) from notice_part where notice = n.id) as parts
			from notice n where id = any (($1).notices) order by id', s),
		'messages', user_rows('select * from mo where id = any (($1).messages) order by received, id', s),
		'stop_list', user_rows('select * from number_stop where msisdn = any (($1).numbers) order by msisdn', s),
		'work', user_rows('select id, kind, key, request as rid, state, reason, payload, created, changed from outbox
			where request = any (($1).rids) or notice = any (($1).notices) order by id', s),
		'billed', user_rows('select event from (
				select event from billing_record
				union all select jsonb_array_elements(payload -> ''events'') from outbox where kind = ''file'') b
			where event ->> ''subject'' in (select id::text from request where rid = any (($1).rids))', s),
		'events', user_rows('select at, request as rid, item, kind, actor, from_state, to_state, reason, detail,
			sid_text(sid) as session from event where dev = any (($1).devs) and request is null or request = any (($1).rids)
			order by id', s));
end
$$;

-- Erasing -------------------------------------------------------------------------------------------------------

-- Each erasure, and the transaction that makes it: the pass that is_erased() asks for.
create table erasure (
	id bigint generated always as identity primary key,
	at timestamptz not null default clock_timestamp(),
	xid xid8 not null default pg_current_xact_id(),
	by text not null
);

-- Those members of an object that are no person's: a list of what stays, so that what is added later goes.
create function members_kept(p_object jsonb, p_members text[]) returns jsonb
language sql immutable as $$
	select coalesce(jsonb_object_agg(key, value), '{}') from jsonb_each(p_object) where key = any (p_members)
$$;

-- How an answer was given, without the number and the words of who gave it.
create function source_kept(p_source jsonb) returns jsonb
language sql immutable set search_path = provbox, pg_temp as $$
	select members_kept(p_source, '{dev,session,gw,cred,message,smsc,short_code}')
$$;

create function detail_kept(p_detail jsonb) returns jsonb
language sql immutable set search_path = provbox, pg_temp as $$
	select members_kept(p_detail, '{attempt,by,channel,content,cred,credentials,dev,found,gw,how,key,language,message,method,'
		'notice,notice_kind,of,outcome,part,parts,result,session,sha256,short_code,size,smsc,terms,until,url,verified,version,'
		'was,requests,notices,messages,is_cancelled}')
$$;

-- What a user typed is gone; what was ordered stays.
create function body_kept(p_body jsonb) returns jsonb
language sql immutable set search_path = provbox, pg_temp as $$
	select jsonb_build_object('user', members_kept(p_body -> 'user', '{language}'),
		'device', members_kept(p_body -> 'device', '{dev}')) || members_kept(p_body, '{catalogue,items}')
$$;

-- Is this the one change that a record of an answer may see: an erasure, of nothing but its source, within the transaction
-- that has a pass?
create function is_erased(p_old acceptance, p_new acceptance) returns boolean
language plpgsql stable set search_path = provbox, pg_temp as $$
begin
	p_old.source := source_kept(p_old.source);
	return p_old = p_new and exists (select from erasure where xid = pg_current_xact_id() and at >= now());
end
$$;

-- Fail: what came in is not locked, and may be in the hands of somebody who waits for what is.
create function user_raise_again() returns void
language plpgsql immutable set search_path = provbox, pg_temp as $$
begin
	raise 'something of this subscriber came in meanwhile; nothing was erased, try again' using errcode = '40001';
end
$$;

-- Lock all rows of a person in the one order (doc/database.md, "Order of locks"); raises 40001 when there are others by
-- then.
create function user_lock(p_who text, p_scope user_scope) returns void
language plpgsql set search_path = provbox, pg_temp as $$
begin
	perform from mo where id = any (p_scope.messages) order by id for update;
	perform from outbox where request = any (p_scope.rids) or notice = any (p_scope.notices) order by id for update;
	perform from notice where id = any (p_scope.notices) order by id for update;
	perform from request where rid = any (p_scope.rids || p_scope.offers) order by rid for update;
	perform from account where dev = any (p_scope.devs) order by dev for update;
	perform from device where dev = any (p_scope.devs) order by dev for no key update;
	if user_find(p_who) <> p_scope then
		perform user_raise_again();
	end if;
end
$$;

-- Send nothing more, and forget what was sent; what bills stays, and goes on.
create function user_erase_work(p_scope user_scope) returns void
language plpgsql set search_path = provbox, pg_temp as $$
begin
	perform notice_end(notice, 'failed', 'operator', 'user_erased')
	from outbox where notice = any (p_scope.notices) and state = 'due';
	update outbox set payload = '{}', state = case when state in ('due', 'dead') then 'dropped' else state end,
		reason = case when state in ('due', 'dead') then 'user_erased' else reason end, token = null,
		changed = clock_timestamp()
	where (request = any (p_scope.rids) or notice = any (p_scope.notices)) and kind <> 'billing';
	delete from notice_part where notice = any (p_scope.notices);
	update notice set msisdn = null, text = null, sealed = null where id = any (p_scope.notices);
	update mo set sender = null, text = '' where id = any (p_scope.messages);
end
$$;

create function user_erase_requests(p_scope user_scope) returns void
language plpgsql set search_path = provbox, pg_temp as $$
begin
	update request set body = body_kept(body), body_sha256 = sha256(convert_to(body_kept(body)::text, 'UTF8'))
	where rid = any (p_scope.rids);
	update acceptance set source = source_kept(source) where request = any (p_scope.offers);
	update offer set msisdn = null where request = any (p_scope.offers);
end
$$;

-- A device without its subscriber: the account goes, too, so that whoever has the device next is verified.
create function user_erase_devices(p_scope user_scope) returns void
language plpgsql set search_path = provbox, pg_temp as $$
begin
	delete from account where dev = any (p_scope.devs);
	perform standing_move(dev, 'unprovisioned', null, 'operator', 'user_erased', null)
	from device where dev = any (p_scope.devs) and standing = 'active';
	update device set msisdn = null, given_name = null, family_name = null, postcode = null, email = null, fax = null,
		language = 'en', former_standing = case former_standing when 'active' then 'unprovisioned' else former_standing end
	where dev = any (p_scope.devs);
end
$$;

create function user_erase_events(p_scope user_scope) returns void
language plpgsql set search_path = provbox, pg_temp as $$
begin
	update event set detail = detail_kept(detail)
	where dev = any (p_scope.devs) and request is null or request = any (p_scope.rids || p_scope.offers);
	update event set detail = detail_kept(detail) where dev is null and request is null
		and ((detail ->> 'notice')::bigint = any (p_scope.notices) or detail ->> 'message' = any (p_scope.messages));
end
$$;

-- Erase what is held of a person, for ever. outcome is erased, with how much it was; open, and nothing was done, while a
-- request is open and p_is_cancelling does not say to cancel it; null when nothing is known. Raises 40001 when something of
-- the person came in meanwhile, and nothing was done: call again.
create function user_erase(p_who text, p_is_cancelling boolean, p_by text,
	out outcome text, out devices int, out requests int, out notices int, out messages int)
language plpgsql security definer set search_path = provbox, pg_temp as $$
declare
	s user_scope := user_find(p_who);
	open_rids bigint[];
begin
	if not user_is_known(s) then
		return;
	end if;
	perform user_lock(p_who, s);
	open_rids := array(select rid from request join request_state using (state)
		where rid = any (s.rids || s.offers) and is_open order by rid);
	if open_rids <> '{}' and p_is_cancelling is not true then
		outcome := 'open';
		requests := cardinality(open_rids);
		return;
	end if;
	outcome := 'erased';
	devices := cardinality(s.devs);
	requests := cardinality(s.rids);
	notices := cardinality(s.notices);
	messages := cardinality(s.messages);
	perform request_move(rid, 'cancel', 'operator', 'cancelled_by_operator', null) from unnest(open_rids) rid;
	insert into erasure (by) values (left(p_by, 100));
	perform user_erase_work(s);
	perform user_erase_requests(s);
	perform user_erase_devices(s);
	perform user_erase_events(s);
	delete from number_stop where msisdn = any (s.numbers);
	perform from number_ref where msisdn = any (s.numbers) order by msisdn for update;
	delete from number_ref where msisdn = any (s.numbers);
	perform user_event(s.devs, 'user_erased', 'user_erased', jsonb_build_object('by', left(p_by, 100), 'requests', requests,
		'notices', notices, 'messages', messages, 'is_cancelled', open_rids <> '{}'));
	-- Nobody makes a request while the devices are locked; but a message to or from a number needs no lock of them.
	if exists (select from notice where msisdn = any (s.numbers)) or exists (select from mo where sender = any (s.numbers)) then
		perform user_raise_again();
	end if;
end
$$;

grant execute on function user_export, user_erase to provbox_operator;
