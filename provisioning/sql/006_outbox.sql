-- The outbox: everything that leaves, written in the transaction of what causes it, leased by workers.
set local search_path = provbox, pg_temp;

-- due_at is when the row may be leased next: a lease moves it to its own end, so that a worker that dies gives its rows
-- back by doing nothing. token names the lease. key is stable over all attempts. is_secret: the text of its notice is one.
create table outbox (
	id bigint generated always as identity primary key,
	kind text not null check (kind in ('sms', 'mail', 'billing', 'file', 'service', 'verify', 'fetch', 'hook')),
	key text not null check (length(key) between 1 and 200),
	request bigint references request,
	notice bigint,
	payload jsonb not null default '{}',
	state text not null default 'due' check (state in ('due', 'done', 'dead', 'dropped')),
	due_at timestamptz not null default clock_timestamp(),
	attempt int not null default 0,
	token uuid,
	worker text,
	slot int check (slot between 0 and 255),
	is_secret boolean not null default false,
	reason text references reason,
	created timestamptz not null default clock_timestamp(),
	changed timestamptz not null default clock_timestamp()
) with (fillfactor = 60); -- a lease and an end change each: room for that beside it
create index outbox_due on outbox (kind, due_at) where state = 'due';
create index outbox_dead on outbox (kind) where state = 'dead';
create index outbox_given_up on outbox (changed) where kind = 'sms' and state in ('dead', 'dropped');
create index outbox_request on outbox (request) where request is not null;
create unique index outbox_notice on outbox (notice) where notice is not null;
create unique index outbox_key on outbox (key) where notice is null; -- of a notice it is the notice

create function outbox_put(p_kind text, p_key text, p_rid bigint, p_notice bigint, p_payload jsonb) returns void
language plpgsql set search_path = provbox, pg_temp as $$
begin
	insert into outbox (kind, key, request, notice, payload)
	values (p_kind, p_key, p_rid, p_notice, coalesce(p_payload, '{}'));
end
$$;

-- The wait after the n-th attempt failed: doubles from the first up to the cap.
create function backoff(p_attempt int) returns interval
language plpgsql stable set search_path = provbox, pg_temp as $$
begin
	return least(setting_interval('backoff_cap'),
		setting_interval('backoff_first') * (2.0 ^ least(greatest(p_attempt - 1, 0), 20)));
end
$$;

create function is_given_up(p_created timestamptz) returns boolean
language plpgsql stable set search_path = provbox, pg_temp as $$
begin
	return clock_timestamp() - p_created >= setting_interval('give_up');
end
$$;

-- Give a row up. The event is the alarm, and queue_read() counts the row. What depends on it ends, too.
create function outbox_bury(p_id bigint, p_actor text, p_reason text, p_detail jsonb) returns void
language plpgsql set search_path = provbox, pg_temp as $$
declare
	o outbox;
begin
	update outbox set state = 'dead', reason = p_reason, token = null, changed = clock_timestamp()
	where id = p_id returning * into strict o;
	perform event_put((select dev from request where rid = o.request), o.request, o.kind || '_dead', p_actor,
		p_reason, coalesce(p_detail, '{}') || jsonb_build_object('key', o.key, 'attempt', o.attempt));
	if o.notice is not null then
		perform notice_move(o.notice, 'failed', p_actor, p_reason, p_detail);
	elsif o.kind = 'verify' then
		update outbox set payload = '{}' where id = p_id;
		perform verification_give_up(o.request, p_actor, 'verification_unavailable');
	end if;
end
$$;

-- Does the request of this row still want what it carries? Not the question to the verification service when it is not
-- verifying any more, nor copies of its terms when it ended without their acceptance.
create function outbox_is_wanted(p_outbox outbox) returns boolean
language plpgsql stable set search_path = provbox, pg_temp as $$
declare
	now_state text;
begin
	if p_outbox.kind in ('verify', 'mail', 'hook') then
		select state into now_state from request where rid = p_outbox.request;
	end if;
	return case p_outbox.kind when 'verify' then now_state = 'verifying'
		else now_state is null or now_state not in ('declined', 'refused', 'expired', 'cancelled') end;
end
$$;

-- Take a row, locked, out of the queue for its request, which has ended.
create function outbox_withdraw(p_outbox outbox, p_actor text) returns void
language plpgsql set search_path = provbox, pg_temp as $$
begin
	update outbox set state = 'dropped', token = null, reason = 'withdrawn', changed = clock_timestamp(),
		payload = case kind when 'verify' then '{}' else payload end
	where id = p_outbox.id;
	perform event_put(dev, rid, p_outbox.kind || '_withdrawn', p_actor, 'withdrawn',
		jsonb_build_object('key', p_outbox.key, 'attempt', p_outbox.attempt))
	from request where rid = p_outbox.request;
end
$$;

-- Take up to p_limit due rows for p_lease. The caller commits before it acts, and then says done or retry. A row whose
-- last attempt ended without a word is buried here when its time is over; after a word there is one attempt more, so that
-- whoever makes it can say so. What is not wanted any more is withdrawn: it was in a worker's hands when its request ended.
create function outbox_lease(p_kinds text[], p_worker text, p_limit int, p_lease interval)
returns table (id bigint, kind text, key text, attempt int, payload jsonb, token uuid)
language plpgsql security definer set search_path = provbox, pg_temp as $$
#variable_conflict use_column
declare
	due_by timestamptz := clock_timestamp(); -- known before, so that the index ends at it
	o outbox;
begin
	for o in
		select * from outbox
		where kind = any (p_kinds) and kind <> 'sms' and state = 'due' and due_at <= due_by
		order by due_at limit p_limit for update skip locked
	loop
		if not outbox_is_wanted(o) then
			perform outbox_withdraw(o, 'courier');
			continue;
		elsif o.token is not null and is_given_up(o.created) then
			perform outbox_bury(o.id, 'courier', 'given_up', null);
			exit when o.kind = 'verify'; -- its request is locked now: the next one is for the next lease
			continue;
		end if;
		update outbox x set due_at = clock_timestamp() + p_lease, attempt = x.attempt + 1,
			token = gen_random_uuid(), worker = left(p_worker, 100), changed = clock_timestamp()
		where x.id = o.id
		returning x.id, x.kind, x.key, x.attempt, x.payload, x.token
		into id, kind, key, attempt, payload, token;
		return next;
	end loop;
end
$$;

create function outbox_done(p_id bigint, p_token uuid) returns boolean
language plpgsql security definer set search_path = provbox, pg_temp as $$
declare
	o outbox;
begin
	update outbox set state = 'done', token = null, reason = null, changed = clock_timestamp()
	where id = p_id and token = p_token and state = 'due' and kind <> 'sms' returning * into o;
	if found and o.request is not null then
		perform event_put(r.dev, r.rid, o.kind || '_done', 'courier', null,
			jsonb_build_object('key', o.key, 'attempt', o.attempt))
		from request r where r.rid = o.request;
	end if;
	return o.id is not null;
end
$$;

-- Put a leased row back after a failure, with back-off; or bury it when the failure is permanent or its time is over.
create function outbox_fail(p_id bigint, p_actor text, p_reason text, p_permanent boolean) returns text
language plpgsql set search_path = provbox, pg_temp as $$
declare
	o outbox;
begin
	select * into strict o from outbox where id = p_id for update;
	if p_permanent then
		perform outbox_bury(p_id, p_actor, reason_known(p_reason), jsonb_build_object('said', p_reason));
		return 'dead';
	elsif is_given_up(o.created) then
		perform outbox_bury(p_id, p_actor, 'given_up', jsonb_build_object('last', p_reason));
		return 'dead';
	end if;
	update outbox set due_at = clock_timestamp() + backoff(attempt), token = null,
		reason = reason_known(p_reason), changed = clock_timestamp()
	where id = p_id;
	return 'due';
end
$$;

create function outbox_retry(p_id bigint, p_token uuid, p_reason text, p_permanent boolean) returns text
language plpgsql security definer set search_path = provbox, pg_temp as $$
begin
	perform from outbox where id = p_id and token = p_token and state = 'due' and kind <> 'sms' for update;
	if not found then
		return null;
	end if;
	return outbox_fail(p_id, 'courier', p_reason, p_permanent);
end
$$;

create function queue_read() returns table (kind text, due bigint, dead bigint, oldest_s double precision)
language sql stable security definer set search_path = provbox, pg_temp as $$
	select k.kind, coalesce(due.n, 0), coalesce(dead.n, 0),
		coalesce(extract(epoch from clock_timestamp() - due.oldest), 0)::float8
	from (values ('sms'), ('mail'), ('billing'), ('file'), ('service'), ('verify'), ('fetch'), ('hook')) k (kind)
	left join (select kind, count(*) as n, min(created) as oldest from outbox where state = 'due' group by kind) due
		using (kind)
	left join (select kind, count(*) as n from outbox where state = 'dead' group by kind) dead using (kind)
$$;
