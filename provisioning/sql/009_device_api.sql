-- The device API: one function a call, each a single round trip that reads the standing together with its work.
set local search_path = provbox, pg_temp;

create function device_read(p_dev text, p_epoch bigint, p_permission text) returns api_result
language plpgsql stable security definer set search_path = provbox, pg_temp as $$
declare
	refusal api_result := device_gate(p_dev, p_epoch, p_permission);
	body jsonb;
begin
	if refusal.status is not null then
		return refusal;
	end if;
	select jsonb_strip_nulls(jsonb_build_object('dev', d.dev, 'standing', d.standing, 'model', d.model,
		'firmware', d.firmware, 'language', d.language, 'number', masked(d.msisdn), 'features',
		coalesce((select jsonb_agg(jsonb_build_object('id', f.feature, 'version', f.version, 'state', f.state)
			order by f.feature) from device_feature f where f.dev = d.dev), '[]')))
	into body from device d where d.dev = p_dev;
	if not found then -- limited by the policy for devices that nobody imported
		body := jsonb_build_object('dev', p_dev, 'standing', 'limited', 'features', jsonb_build_array());
	end if;
	return api_answer(200, format('"d%s"', left(hex(sha256(convert_to(body::text, 'UTF8'))), 32)), body);
end
$$;

-- The shape of a body -------------------------------------------------------------------------------------------

create function is_text_at(p_body jsonb, p_path text[], p_pattern text) returns boolean
language sql immutable as $$
	select coalesce(jsonb_typeof(p_body #> p_path) = 'string' and p_body #>> p_path ~ p_pattern, false)
$$;

-- A line of text as people type it: 1 to 100 characters, none of them a control character.
create function is_line_at(p_body jsonb, p_path text[]) returns boolean
language sql immutable as $$
	select coalesce(jsonb_typeof(p_body #> p_path) = 'string' and length(p_body #>> p_path) between 1 and 100
		and p_body #>> p_path !~ '[\u0001-\u001f\u007f-\u009f]', false)
$$;

-- Null when the body of a request has the documented members and shapes, else the reason. A reference that holds
-- 13 to 19 digits in a row, separators left out of account, may be a card number and is never stored.
create function body_problem(p_body jsonb) returns text
language plpgsql immutable set search_path = provbox, pg_temp as $$
declare
	ref text := p_body #>> '{accounting,reference}';
begin
	if not (is_line_at(p_body, '{user,given_name}') and is_line_at(p_body, '{user,family_name}')
			and is_line_at(p_body, '{user,postcode}')
			and is_text_at(p_body, '{user,language}', '^[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,4}$')
			and is_line_at(p_body, '{device,dev}') and is_line_at(p_body, '{device,model}')
			and (p_body #> '{device,firmware}' is null or is_line_at(p_body, '{device,firmware}'))
			and jsonb_typeof(p_body #> '{catalogue}') is not distinct from 'number'
			and p_body #>> '{catalogue}' ~ '^[0-9]{1,9}$'
			and jsonb_typeof(p_body #> '{items}') is not distinct from 'array') then
		return 'body_invalid';
	elsif jsonb_array_length(p_body -> 'items') not between 1 and 32
			or exists (select from jsonb_array_elements(p_body -> 'items') i
				where not is_text_at(i, '{}', '^[a-z0-9][a-z0-9._-]{0,63}$'))
			or (select count(distinct i) from jsonb_array_elements(p_body -> 'items') i)
				<> jsonb_array_length(p_body -> 'items') then
		return 'body_invalid';
	elsif not is_text_at(p_body, '{accounting,reference}', '^[A-Za-z0-9._~-]{8,64}$')
			or ref ~ '(^|[^0-9])[0-9]([._~-]?[0-9]){12,18}($|[^0-9])' then
		return 'accounting_reference_invalid';
	end if;
	return null;
end
$$;

-- Requests ------------------------------------------------------------------------------------------------------

-- In how many seconds fewer than p_limit things will be of the past hour: p_times are their times, newest first. An hour
-- when none are allowed at all.
create function hour_wait_s(p_times timestamptz[], p_limit int) returns int
language sql stable as $$
	select greatest(ceil(extract(epoch from coalesce(p_times[p_limit], clock_timestamp()) + interval '1 hour'
		- clock_timestamp())), 1)::int
$$;

-- Null when the device may make one more request, else the refusal, which is an event once an hour. The number counts for
-- all devices that share it; a lock on it makes that exact.
create function request_limit_refusal(p_device device) returns api_result
language plpgsql set search_path = provbox, pg_temp as $$
declare
	recent timestamptz[];
	per_device int := setting_int('requests_per_hour');
	per_number int := setting_int('requests_per_number');
	messages int := setting_int('messages_per_hour');
	problem text;
	wait_s int := 60; -- nobody knows when a request ends
begin
	perform pg_advisory_xact_lock(hashtext('provbox.number'), hashtext(p_device.msisdn));
	recent := array(select created from request where dev = p_device.dev
		and created > clock_timestamp() - interval '1 hour' order by created desc limit per_device);
	if (select count(*) from request join request_state using (state) where dev = p_device.dev and is_open)
			>= setting_int('open_requests') then
		problem := 'too_many_requests';
	elsif cardinality(recent) >= per_device then
		problem := 'too_many_requests';
		wait_s := hour_wait_s(recent, per_device);
	else
		recent := array(select r.created from request r join device d on d.dev = r.dev where d.msisdn = p_device.msisdn
			and r.created > clock_timestamp() - interval '1 hour' order by r.created desc limit per_number);
		if cardinality(recent) >= per_number then
			problem := 'too_many_requests_number';
			wait_s := hour_wait_s(recent, per_number);
		elsif not is_message_allowed(p_device.msisdn) then
			problem := 'too_many_messages';
			wait_s := hour_wait_s(array(select created from notice where msisdn = p_device.msisdn
				and created > clock_timestamp() - interval '1 hour' order by created desc limit messages), messages);
		end if;
	end if;
	if problem is not null and not exists (select from event where dev = p_device.dev and request is null
			and kind = 'request_refused' and reason = problem and at > clock_timestamp() - interval '1 hour') then
		perform event_put(p_device.dev, null, 'request_refused', 'server', problem, jsonb_build_object('wait_s', wait_s));
	end if;
	return case when problem is not null then api_refusal(429, problem, wait_s) end;
end
$$;

create function request_put(p_dev text, p_epoch bigint, p_permission text, p_id uuid, p_body_sha256 bytea,
	p_body jsonb) returns api_result
language plpgsql security definer set search_path = provbox, pg_temp as $$
declare
	d device;
	r request;
	refusal api_result;
	problem text;
begin
	-- The lock makes the limits exact, and lets the same request sent twice at once be one.
	select * into d from device where dev = p_dev for no key update;
	refusal := device_gate(p_dev, p_epoch, p_permission);
	if refusal.status is not null then
		return refusal;
	elsif d.dev is null then -- let in by policy, but there is no row to provision
		return api_refusal(403, 'standing_limited');
	end if;
	select * into r from request where dev = p_dev and id = p_id;
	if found and r.body_sha256 = p_body_sha256 then
		return request_answer(200, r.rid);
	elsif found then
		return api_refusal(409, 'request_conflict');
	end if;
	problem := body_problem(p_body);
	if problem is not null then
		return api_refusal(400, problem);
	elsif (p_body ->> 'catalogue')::int is distinct from catalogue_current() then
		return api_refusal(409, 'catalogue_changed');
	end if;
	refusal := request_limit_refusal(d);
	if refusal.status is not null then
		return refusal;
	end if;
	insert into request (dev, id, body_sha256, body, catalogue)
	values (p_dev, p_id, p_body_sha256, p_body, catalogue_current()) returning * into r;
	insert into item (request, feature, position)
	select r.rid, i, n from jsonb_array_elements_text(p_body -> 'items') with ordinality x (i, n);
	insert into event (dev, request, kind, actor, to_state, detail)
	values (p_dev, r.rid, 'put', 'device', 'received', jsonb_build_object('items', p_body -> 'items'));
	perform request_process(r.rid, d);
	return request_answer(201, r.rid);
end
$$;

create function request_read(p_dev text, p_epoch bigint, p_permission text, p_id uuid, p_etag text)
returns api_result
language plpgsql stable security definer set search_path = provbox, pg_temp as $$
declare
	refusal api_result := device_gate(p_dev, p_epoch, p_permission);
	r request;
begin
	if refusal.status is not null then
		return refusal;
	end if;
	select * into r from request where dev = p_dev and id = p_id;
	if not found then
		return api_refusal(404, 'request_unknown');
	elsif p_etag = format('"r%s"', r.revision) then
		return (304, null, p_etag, null, null)::api_result;
	end if;
	return request_answer(200, r.rid);
end
$$;

-- Cancel a request that is not being delivered yet, and withdraw what it would still send.
create function request_delete(p_dev text, p_epoch bigint, p_permission text, p_id uuid) returns api_result
language plpgsql security definer set search_path = provbox, pg_temp as $$
declare
	refusal api_result := device_gate(p_dev, p_epoch, p_permission);
	r request;
begin
	if refusal.status is not null then
		return refusal;
	end if;
	r := request_lock(p_dev, p_id);
	if r.rid is null then
		return api_refusal(404, 'request_unknown');
	elsif r.state in ('verifying', 'offered', 'accepted') then
		perform request_move(r.rid, 'cancel', 'device', 'cancelled_by_device', null);
		perform request_withdraw(r.rid, 'device');
	elsif r.state <> 'cancelled' then
		return api_refusal(409, 'cancel_too_late');
	end if;
	return request_answer(200, r.rid);
end
$$;

create function terms_read(p_dev text, p_epoch bigint, p_permission text, p_id uuid) returns api_result
language plpgsql stable security definer set search_path = provbox, pg_temp as $$
declare
	refusal api_result := device_gate(p_dev, p_epoch, p_permission);
	r request;
	t terms;
begin
	if refusal.status is not null then
		return refusal;
	end if;
	select * into r from request where dev = p_dev and id = p_id;
	if not found then
		return api_refusal(404, 'request_unknown');
	end if;
	select x.* into t from offer o join terms x on x.catalogue = o.catalogue and x.language = o.language
	where o.request = r.rid;
	if not found then
		return api_refusal(404, 'terms_unknown');
	end if;
	return api_answer(200, format('"%s"', hex(t.sha256)), jsonb_build_object('sha256', hex(t.sha256),
		'version', t.version, 'language', t.language, 'text', t.text));
end
$$;

create function answer_put(p_dev text, p_epoch bigint, p_permission text, p_id uuid, p_answer text,
	p_sha256 bytea, p_session text, p_gw bytea, p_cred bytea) returns api_result
language plpgsql security definer set search_path = provbox, pg_temp as $$
declare
	refusal api_result := device_gate(p_dev, p_epoch, p_permission);
	r request;
	o offer;
	given acceptance;
	offered_sha256 bytea;
begin
	if refusal.status is not null then
		return refusal;
	elsif p_answer is null or p_answer not in ('accept', 'decline') then
		return api_refusal(400, 'body_invalid');
	end if;
	select * into r from request where dev = p_dev and id = p_id for update;
	if not found then
		return api_refusal(404, 'request_unknown');
	end if;
	select * into o from offer where request = r.rid;
	if not found then
		return api_refusal(409, 'wrong_state');
	end if;
	select sha256 into strict offered_sha256 from terms where catalogue = o.catalogue and language = o.language;
	select * into given from acceptance where request = r.rid;
	if p_sha256 is distinct from offered_sha256 then
		return api_refusal(409, 'terms_mismatch');
	elsif given.answer = p_answer then
		return request_answer(200, r.rid);
	elsif given.answer is not null then
		return api_refusal(409, 'answer_final');
	elsif r.state = 'offered' and o.expires <= clock_timestamp() then
		perform request_expire(r.rid, 'server');
		return api_refusal(409, 'offer_expired');
	elsif r.state = 'expired' then
		return api_refusal(409, 'offer_expired');
	elsif r.state <> 'offered' then
		return api_refusal(409, 'wrong_state');
	end if;
	perform offer_answer(r.rid, p_answer, 'online', jsonb_build_object('dev', p_dev, 'session', left(p_session, 100),
		'gw', hex(p_gw), 'cred', hex(p_cred)));
	return request_answer(200, r.rid);
end
$$;

-- The reason that a device gives for an item, where it is one that a device can know.
create function device_reason(p_reason text) returns text
language plpgsql stable set search_path = provbox, pg_temp as $$
begin
	return coalesce((select code from reason where code = p_reason and is_from_device), 'install_failed');
end
$$;

create function item_result_put(p_dev text, p_epoch bigint, p_permission text, p_id uuid, p_item text,
	p_result text, p_version text, p_reason text) returns api_result
language plpgsql security definer set search_path = provbox, pg_temp as $$
declare
	refusal api_result := device_gate(p_dev, p_epoch, p_permission);
	r request;
	i item;
begin
	if refusal.status is not null then
		return refusal;
	elsif p_result is null or p_result not in ('installed', 'failed') or length(p_version) > 100 then
		return api_refusal(400, 'body_invalid');
	end if;
	select * into r from request where dev = p_dev and id = p_id for update;
	if not found then
		return api_refusal(404, 'request_unknown');
	end if;
	select * into i from item where request = r.rid and feature = p_item;
	if not found then
		return api_refusal(404, 'item_unknown');
	elsif i.state = p_result then
		return request_answer(200, r.rid);
	elsif not (select is_open from item_state where state = i.state) then
		return api_refusal(409, 'result_final');
	elsif r.state not in ('accepted', 'delivering') or i.state = 'requested' then
		return api_refusal(409, 'wrong_state');
	elsif r.state = 'accepted' then
		perform request_move(r.rid, 'deliver', 'device', null, null);
	end if;
	if p_result = 'installed' then
		update item set installed_version = p_version where request = r.rid and feature = p_item;
		perform item_move(r.rid, p_item, 'install', 'device', null,
			jsonb_strip_nulls(jsonb_build_object('version', p_version)));
	else
		perform item_move(r.rid, p_item, 'fail', 'device', device_reason(p_reason),
			jsonb_strip_nulls(jsonb_build_object('said', left(p_reason, 200))));
	end if;
	perform request_confirm(r.rid, 'device');
	return request_answer(200, r.rid);
end
$$;

-- Send the content of an item once more (A109, A110). The device counts: the same attempt again is the same
-- retransmission. Over the cap the item has failed, for the reason that the device wanted it again.
create function retransmission_post(p_dev text, p_epoch bigint, p_permission text, p_id uuid, p_item text,
	p_attempt int, p_reason text) returns api_result
language plpgsql security definer set search_path = provbox, pg_temp as $$
declare
	refusal api_result := device_gate(p_dev, p_epoch, p_permission);
	r request;
	i item;
	detail jsonb := jsonb_strip_nulls(jsonb_build_object('item', p_item, 'attempt', p_attempt, 'said',
		left(p_reason, 200)));
begin
	if refusal.status is not null then
		return refusal;
	end if;
	select * into r from request where dev = p_dev and id = p_id for update;
	if not found then
		return api_refusal(404, 'request_unknown');
	end if;
	select * into i from item where request = r.rid and feature = p_item;
	if not found then
		return api_refusal(404, 'item_unknown');
	elsif i.retransmissions >= p_attempt then
		return request_answer(200, r.rid);
	elsif not (select is_open from item_state where state = i.state) then
		return api_refusal(409, case when i.retransmissions >= setting_int('retransmissions')
			then 'retransmission_limit' else 'result_final' end);
	elsif i.state <> 'delivering' or i.retransmissions + 1 <> p_attempt then
		return api_refusal(409, 'wrong_state');
	elsif i.retransmissions >= setting_int('retransmissions') then
		perform item_move(r.rid, p_item, 'fail', 'device', device_reason(p_reason), detail);
		perform request_confirm(r.rid, 'device');
		return api_refusal(409, 'retransmission_limit');
	end if;
	update item set retransmissions = p_attempt, changed = clock_timestamp()
	where request = r.rid and feature = p_item;
	perform request_move(r.rid, 'retransmit', 'device', device_reason(p_reason), detail);
	return request_answer(200, r.rid);
end
$$;

-- Content -------------------------------------------------------------------------------------------------------

-- May the device have this content? Only as an item of a request that it accepted. The first time moves items and
-- requests to delivering; a download that goes on later finds them there and writes nothing.
create function content_open(p_dev text, p_epoch bigint, p_permission text, p_sha256 bytea) returns api_result
language plpgsql security definer set search_path = provbox, pg_temp as $$
declare
	refusal api_result := device_gate(p_dev, p_epoch, p_permission);
	r record;
begin
	if refusal.status is not null then
		return refusal;
	elsif not exists (
			select from request q join item i on i.request = q.rid
			where q.dev = p_dev and i.content = p_sha256 and q.state in ('accepted', 'delivering', 'done')
			and i.state in ('ready', 'delivering', 'installed')) then
		return api_refusal(404, 'content_unknown');
	end if;
	for r in
		select q.rid, q.state from request q
		where q.dev = p_dev and q.state in ('accepted', 'delivering') and exists (
			select from item i where i.request = q.rid and i.content = p_sha256 and i.state = 'ready')
		order by q.rid for update
	loop
		perform item_move(r.rid, feature, 'fetch', 'device', null, null)
		from item where request = r.rid and content = p_sha256 and state = 'ready';
		if r.state = 'accepted' then
			perform request_move(r.rid, 'deliver', 'device', null, null);
		end if;
	end loop;
	return (select api_answer(200, format('"%s"', hex(sha256)),
		jsonb_build_object('size', size, 'media_type', media_type)) from content where sha256 = p_sha256);
end
$$;
