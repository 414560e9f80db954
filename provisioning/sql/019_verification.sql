-- Verification by a service of others (A039, A090): asked by the courier, once for each request of a device that was
-- never provisioned before, while the request is verifying. Only its word moves the request on; silence, errors and
-- anything but an answer to this question do not. doc/verification.md is the protocol.
set local search_path = provbox, pg_temp;

insert into setting (key, kind, shape, value, meaning) values
('verification', 'text', '^(local|service)$', 'local',
	'who verifies a first request: local, the stored data alone; service, the verification service, too'),
('verification_lifetime', 'interval', '1 minute', '3 days', 'how long a request may wait for the verification service');

-- Only these may be given by the service as the reason of a refusal.
alter table reason add column is_from_verifier boolean not null default false;

insert into reason (code, meaning, advice) values
('verification_refused', 'The verification service refused.', 'The detail of the event may have its word for it; ask who runs the service.'),
('accounting_refused', 'The verification service refused the accounting reference.', 'The subscriber arranges with the bank or chooses another reference, and makes a new request.'),
('verification_unavailable', 'The verification service gave no answer for too long.', 'Mend the cause ("provctl outbox list" tells the last one); the subscriber makes a new request.'),
('verification_expired', 'The verification did not come to an end in time.', 'See whether a server has verification_url; see verification_lifetime.'),
('verification_late', 'The verification service answered after the request had ended.', 'Nothing to do; the answer changed nothing.');

update reason set is_from_verifier = true where code in ('user_mismatch', 'device_mismatch', 'accounting_refused');

-- Does the service verify, besides the stored data?
create function is_verified_outside() returns boolean
language plpgsql stable set search_path = provbox, pg_temp as $$
begin
	return setting_text('verification') = 'service';
end
$$;

-- Ask the service. The payload is all that it gets, and is wiped as soon as the row has its end.
create function verification_ask(p_rid bigint) returns void
language plpgsql set search_path = provbox, pg_temp as $$
declare
	r request;
	key text := request_key(p_rid) || '/verify';
begin
	select * into strict r from request where rid = p_rid;
	perform outbox_put('verify', key, p_rid, null, jsonb_build_object('id', key,
		'user', jsonb_build_object('given_name', r.body #> '{user,given_name}',
			'family_name', r.body #> '{user,family_name}', 'postcode', r.body #> '{user,postcode}'),
		'accounting', jsonb_build_object('reference', r.body #> '{accounting,reference}'),
		'device', jsonb_build_object('dev', r.dev, 'model', r.body #> '{device,model}')));
	perform event_put(r.dev, p_rid, 'verify_queued', 'server', null, jsonb_build_object('key', key));
end
$$;

-- Tell the subscriber how a verification ended that nobody waited for with the call open.
create function verification_notice(p_rid bigint, p_template text) returns void
language plpgsql set search_path = provbox, pg_temp as $$
begin
	perform notice_put(p_rid, d.msisdn, 'status', r.body #>> '{user,language}',
		template_text(p_template, r.body #>> '{user,language}'))
	from request r join device d on d.dev = r.dev where r.rid = p_rid and d.msisdn is not null;
end
$$;

-- The service will not be asked any more: the request ends without its word, unless it has ended before. Its outbox row
-- is locked.
create function verification_give_up(p_rid bigint, p_actor text, p_reason text) returns void
language plpgsql set search_path = provbox, pg_temp as $$
begin
	perform from request where rid = p_rid and state = 'verifying' for update;
	if found then
		perform request_move(p_rid, 'fail', p_actor, p_reason, null);
		perform verification_notice(p_rid, 'not_checked');
	end if;
end
$$;

-- Take the word of the service for a leased row: verified, or refused with a reason of its own or null. Returns done;
-- late when the request had ended before, which changes nothing but is told; null when the lease went to another.
create function verification_result(p_id bigint, p_token uuid, p_result text, p_reason text) returns text
language plpgsql security definer set search_path = provbox, pg_temp as $$
declare
	o outbox;
	r request;
	d device;
begin
	if p_result is null or p_result not in ('verified', 'refused') then
		raise 'no such result: %', left(p_result, 40) using errcode = '22023';
	end if;
	select * into o from outbox where id = p_id and kind = 'verify' for update;
	select * into r from request where rid = o.request for update;
	if r.state <> 'verifying' and o.state <> 'done' then
		update outbox set state = 'dropped', token = null, payload = '{}', changed = clock_timestamp()
		where id = p_id and state = 'due';
		perform event_put(r.dev, r.rid, 'verify_answered', 'courier', 'verification_late',
			jsonb_build_object('key', o.key, 'result', p_result));
		return 'late';
	elsif o.state is distinct from 'due' or o.token is distinct from p_token then
		return null;
	end if;
	update outbox set state = 'done', token = null, reason = null, payload = '{}', changed = clock_timestamp()
	where id = p_id;
	perform event_put(r.dev, r.rid, 'verify_answered', 'courier', null, jsonb_strip_nulls(jsonb_build_object(
		'key', o.key, 'attempt', o.attempt, 'result', p_result, 'said', left(p_reason, 40))));
	if p_result = 'refused' then
		perform request_move(r.rid, 'refuse', 'courier', coalesce((select code from reason
			where code = p_reason and is_from_verifier), 'verification_refused'), null);
		perform verification_notice(r.rid, 'not_verified');
		return 'done';
	end if;
	select * into strict d from device where dev = r.dev for no key update;
	if d.standing in ('active', 'unprovisioned') then
		perform request_offer(r.rid, d, true);
	else -- stopped meanwhile
		perform request_move(r.rid, 'refuse', 'server',
			case d.standing when 'blocked' then 'device_blocked' else 'standing_limited' end, null);
	end if;
	return 'done';
end
$$;

grant execute on function verification_result to provbox_server;
