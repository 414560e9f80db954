-- What an operator does with work that waits, is dead, or is not wanted any more.
set local search_path = provbox, pg_temp;

insert into reason (code, meaning, advice) values
('cancelled_by_operator', 'An operator cancelled the request.', 'The detail of the event may say why; make a new request.'),
('dropped_by_operator', 'An operator dropped this work; it is not done.', 'The detail of the event says why.'),
('retried_by_operator', 'An operator put dead work back.', 'Nothing to do; it is tried again by itself.');

-- Cancel a request, and withdraw what it would still send. The state that it has then: cancelled, or the one in which it
-- ended before; null when there is none.
create function request_cancel(p_dev text, p_id uuid, p_note text) returns text
language plpgsql security definer set search_path = provbox, pg_temp as $$
declare
	r request := request_lock(p_dev, p_id);
begin
	if (select is_open from request_state where state = r.state) then
		r.state := request_move(r.rid, 'cancel', 'operator', 'cancelled_by_operator',
			jsonb_strip_nulls(jsonb_build_object('note', left(p_note, 200))));
		perform request_withdraw(r.rid, 'operator');
	end if;
	return r.state;
end
$$;

-- What waits, is dead or was dropped, newest first. last_error is what the last attempt failed by.
create function outbox_list(p_filter jsonb)
returns table (id bigint, kind text, key text, request uuid, state text, attempt int, due_at timestamptz, reason text,
	last_error text, created timestamptz)
language plpgsql stable security definer set search_path = provbox, pg_temp as $$
#variable_conflict use_column
begin
	perform states_check(p_filter, array['due', 'dead', 'dropped', 'done']);
	return query
		select o.id, o.kind, o.key, r.id, o.state, o.attempt, case o.state when 'due' then o.due_at end, o.reason,
			coalesce((select coalesce(e.detail ->> 'last', e.detail ->> 'said') from event e
				where e.request = o.request and e.kind = o.kind || '_dead' and e.detail ->> 'key' = o.key
				order by e.id desc limit 1), o.reason),
			o.created
		from outbox o left join request r on r.rid = o.request
		where o.state = any (string_to_array(coalesce(p_filter ->> 'state', 'due,dead'), ','))
			and (not p_filter ? 'dev' or r.dev = p_filter ->> 'dev')
			and (not p_filter ? 'request' or r.id::text = p_filter ->> 'request')
			and (not p_filter ? 'reason' or o.reason = p_filter ->> 'reason')
		order by o.id desc limit coalesce((p_filter ->> 'limit')::int, 50);
end
$$;

-- Tell that an operator did something to a row; a note is what the operator said.
create function outbox_event(p_outbox outbox, p_kind text, p_reason text, p_note text) returns void
language plpgsql set search_path = provbox, pg_temp as $$
begin
	perform event_put((select dev from request where rid = p_outbox.request), p_outbox.request,
		p_outbox.kind || p_kind, 'operator', p_reason, jsonb_strip_nulls(jsonb_build_object(
			'key', p_outbox.key, 'attempt', p_outbox.attempt, 'was', p_outbox.state, 'note', left(p_note, 200))));
end
$$;

-- Put a dead row back under its key. Its attempts and its time count from now. Returns changed; or else why it was not:
-- the state that it has, ended when its request does not need it any more, wiped where the text was a secret,
-- null when there is no such row.
create function outbox_revive(p_id bigint, p_note text) returns text
language plpgsql security definer set search_path = provbox, pg_temp as $$
declare
	o outbox;
	n notice;
begin
	select * into o from outbox where id = p_id for update;
	if o.state is distinct from 'dead' then
		return o.state;
	elsif o.kind = 'verify' then -- its request failed with it
		return 'ended';
	end if;
	if o.notice is not null then
		select * into strict n from notice where id = o.notice for update;
		perform from request where rid = n.request for update;
		if n.kind = 'terms' and (select state from request where rid = n.request) <> 'offered' then
			return 'ended';
		elsif n.sealed_sha256 is not null and n.sealed is null then
			return 'wiped';
		end if;
		update notice set retries = 0, useful_until = case when kind = 'terms' then useful_until
			else greatest(useful_until, clock_timestamp() + setting_interval('notice_lifetime')) end
		where id = n.id;
		perform notice_move(n.id, 'queued', 'operator', 'retried_by_operator', null);
	end if;
	update outbox set state = 'due', due_at = clock_timestamp(), attempt = 0, token = null, reason = null,
		created = clock_timestamp(), changed = clock_timestamp()
	where id = p_id;
	perform outbox_event(o, '_retried', 'retried_by_operator', p_note);
	return 'changed';
end
$$;

-- Take a row that is due or dead out of the queue for good; a worker that has it is not believed any more. Returns
-- changed; or else the state that it has, null when there is no such row. Raises 22023 without a reason.
create function outbox_drop(p_id bigint, p_reason text) returns text
language plpgsql security definer set search_path = provbox, pg_temp as $$
declare
	o outbox;
	found_code text := coalesce((select code from reason where code = p_reason), 'dropped_by_operator');
begin
	if coalesce(btrim(p_reason), '') = '' then
		raise 'why? a row is dropped for a reason' using errcode = '22023';
	end if;
	select * into o from outbox where id = p_id for update;
	if not found or o.state not in ('due', 'dead') then
		return o.state;
	end if;
	update outbox set state = 'dropped', token = null, reason = found_code, changed = clock_timestamp() where id = p_id;
	perform outbox_event(o, '_dropped', found_code, p_reason);
	if o.notice is not null then
		perform notice_move(o.notice, 'failed', 'operator', found_code, null);
	elsif o.kind = 'verify' then
		update outbox set payload = '{}' where id = p_id;
		perform verification_give_up(o.request, 'operator', found_code);
	end if;
	return 'changed';
end
$$;

grant execute on function request_cancel, outbox_list, outbox_revive, outbox_drop to provbox_operator;
