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
	elsif not outbox_is_wanted(o) then
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
	-- What the SMSC has by now is not sent again, and its work ends here.
	perform notices_judge(array[n.id], '{}') where n.parts = (select count(*) from notice_part_now p
		where p.notice = n.id and p.state in ('accepted', 'delivered'));
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

-- Put back what is dead of a request, as outbox_revive() does, whose outcome is told of each row: its own rows, and the
-- fetches of its content. A request that has ended stays ended. No rows: nothing of it is dead.
create function request_retry(p_dev text, p_id uuid, p_note text)
returns table (id bigint, kind text, key text, outcome text)
language plpgsql security definer set search_path = provbox, pg_temp as $$
#variable_conflict use_column
declare
	found_rid bigint := (select r.rid from request r where r.dev = p_dev and r.id = p_id);
	found_ids bigint[] := array(select o.id from outbox o where o.state = 'dead' and (o.request = found_rid
		or o.key in (select content_key(i.content) from item i where i.request = found_rid)) order by o.id for update);
begin
	-- One row after the other would lock a second one after the request of the first.
	perform from notice n where n.id in (select o.notice from outbox o where o.id = any (found_ids)) order by n.id for update;
	return query
		select o.id, o.kind, o.key, outbox_revive(o.id, p_note)
		from (select * from outbox x where x.id = any (found_ids) order by x.id) o;
end
$$;

-- What an operator can expect of a request: open, it goes on; done; or ended, and only a new one brings what it ordered.
create function request_outlook(p_dev text, p_id uuid) returns text
language plpgsql stable security definer set search_path = provbox, pg_temp as $$
begin
	return (select case when s.is_open then 'open' when r.state = 'done' then 'done' else 'ended' end
		from request r join request_state s using (state) where r.dev = p_dev and r.id = p_id);
end
$$;

-- Notices -------------------------------------------------------------------------------------------------------

-- What is known of a notice. content says what became of its text: clear, sealed, wiped, awaited or erased. Who asks for
-- the whole number, p_by, is told by an event.
create function notice_show(p_id bigint, p_is_whole boolean, p_by text)
returns table (id bigint, request uuid, dev text, number text, kind text, language text, state text, reason text,
	parts int, retries int, work text, attempt int, due_at timestamptz, useful_until timestamptz, acked timestamptz,
	created timestamptz, changed timestamptz, content text, text text)
language plpgsql security definer set search_path = provbox, pg_temp as $$
#variable_conflict use_column
begin
	if p_is_whole then
		perform event_put(n.dev, n.request, 'number_shown', 'operator', null,
			jsonb_build_object('notice', n.id, 'by', left(p_by, 100)))
		from notice n where n.id = p_id;
	end if;
	return query
		select n.id, r.id, n.dev, case when p_is_whole then n.msisdn else masked(n.msisdn) end, n.kind, n.language,
			n.state, n.reason, n.parts, n.retries, o.state, o.attempt, case o.state when 'due' then o.due_at end,
			n.useful_until, n.acked, n.created, n.changed,
			case when n.msisdn is null then 'erased' when n.text is not null then 'clear'
				when n.sealed is not null then 'sealed' when n.sealed_sha256 is not null then 'wiped' else 'awaited' end,
			n.text
		from notice n left join request r on r.rid = n.request left join outbox o on o.notice = n.id
		where n.id = p_id;
end
$$;

-- Each attempt at each part of a notice. What an SMSC answers may quote the text, so it is not told of a secret.
create function notice_parts(p_id bigint)
returns table (part int, attempt int, state text, link text, ack int, smsc_message text, answer text, sent timestamptz,
	acked timestamptz, reported timestamptz)
language sql stable security definer set search_path = provbox, pg_temp as $$
	select p.part, p.attempt, p.state, p.link, p.ack, p.foreign_id, case n.kind when 'access' then null else p.answer end,
		p.sent, p.acked, p.reported
	from notice_part p join notice n on n.id = p.notice where p.notice = p_id order by p.part, p.attempt
$$;

-- Send the text of a notice once more to the same number, as a notice of its own: what was reported of the first stays
-- true. Returns queued with the new notice, or stopped where its number is on the STOP list; or else why not: in_work,
-- ended (terms that cannot be answered any more), wiped (the text was a secret), erased, moved (the device has another
-- number by now, and the old one may be somebody else's), null when there is no such notice. Raises 22023 when the number
-- had too many messages.
create function notice_resend(p_id bigint, p_note text, p_by text, out outcome text, out notice bigint)
language plpgsql security definer set search_path = provbox, pg_temp as $$
#variable_conflict use_column
declare
	is_due boolean;
	n notice;
begin
	select o.state = 'due' into is_due from outbox o where o.notice = p_id for update;
	select * into n from notice x where x.id = p_id for update;
	if not found then
		return;
	end if;
	perform from request where rid = n.request for update;
	outcome := case
		when n.msisdn is null then 'erased'
		when is_due or n.state in ('queued', 'sending') then 'in_work'
		when n.text is null then 'wiped'
		when n.kind = 'terms' and (select state from request where rid = n.request) <> 'offered' then 'ended'
		when n.dev is not null and n.msisdn is distinct from (select msisdn from device where dev = n.dev) then 'moved'
	end;
	if outcome is not null then
		return;
	elsif not is_message_allowed(n.msisdn) then
		raise 'too many messages for this number within an hour' using errcode = '22023';
	end if;
	notice := notice_put(n.request, n.msisdn, n.kind, n.language, n.text);
	perform event_put(n.dev, n.request, 'notice_resent', 'operator', 'operator_decision', jsonb_strip_nulls(
		jsonb_build_object('notice', notice, 'of', n.id, 'by', left(p_by, 100), 'note', left(p_note, 200))));
	perform request_touch(n.request);
	select x.state into outcome from notice x where x.id = notice;
end
$$;

grant execute on function request_cancel, request_retry, request_outlook, outbox_list, outbox_revive, outbox_drop, notice_show, notice_parts,
	notice_resend to provbox_operator;
