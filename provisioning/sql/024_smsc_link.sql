-- The SMSC link: leases of notices, attempts at their parts, what bearerbox and the SMSC tell of these. All of it comes in
-- sets, because what a statement costs is mostly its own; rows are gone through one by one where something went wrong.
-- A notice stays in the outbox until the report that notice_done names. When its lease is over and bearerbox has every
-- part, it is due again only when part_validity has passed; then the parts without any report are sent once more.
set local search_path = provbox, pg_temp;

create function part_is_settled(p_state text, p_acked timestamptz) returns boolean
language plpgsql stable set search_path = provbox, pg_temp as $$
begin
	return p_state in ('accepted', 'delivered')
		or p_state = 'acked' and p_acked > clock_timestamp() - setting_interval('part_validity');
end
$$;

-- The slots that belong to a link: of all links that are there, the one with the highest hash of its name and the slot
-- has it (rendezvous hashing), so that one that goes or comes moves its own slots alone. Says that this link is there.
create function link_slots(p_name text) returns int[]
language plpgsql set search_path = provbox, pg_temp as $$
declare
	away interval := setting_interval('link_failover');
begin
	insert into smsc_link as l values (p_name, clock_timestamp())
	on conflict (name) do update set seen = excluded.seen where l.seen < clock_timestamp() - least(away / 4, '1 second');
	return (
		select array_agg(slot) from (
			select distinct on (slot) slot, name from generate_series(0, 255) slot, smsc_link
			where seen > clock_timestamp() - away or name = p_name
			order by slot, hashtextextended(name, slot) desc, name) owner
		where name = p_name
	);
end
$$;

-- The parts of a notice that must not be sent again now.
create function parts_settled(p_notice bigint) returns int[]
language plpgsql stable set search_path = provbox, pg_temp as $$
begin
	return array(select part from notice_part_now
		where notice = p_notice and part_is_settled(state, acked) order by part);
end
$$;

-- Should this due notice, whose outbox row is locked, be sent now, after an attempt or in spite of a hindrance? If not, does
-- with it what is to be done instead. A part of it was recorded before where it has a number of parts.
create function notice_is_ready(p_outbox outbox, p_notice notice, p_hindrance text) returns boolean
language plpgsql set search_path = provbox, pg_temp as $$
begin
	if p_notice.state = 'accepted'
		and (is_given_up(p_outbox.created) or p_notice.useful_until <= clock_timestamp()) then
		-- delivery was never reported, and need not be
		update outbox set state = 'done', token = null where id = p_outbox.id;
		return false;
	elsif p_outbox.attempt > 0 and is_given_up(p_outbox.created) then
		perform outbox_bury(p_outbox.id, 'smsc', 'given_up', null);
		return false;
	elsif p_notice.parts is not null and cardinality(parts_settled(p_notice.id)) = p_notice.parts then
		update outbox set due_at = least(p_outbox.created + setting_interval('give_up'), p_notice.useful_until,
			setting_interval('part_validity') + coalesce((select min(acked) from notice_part_now
				where notice = p_notice.id and state = 'acked'), clock_timestamp()))
		where id = p_outbox.id;
		return false;
	elsif p_hindrance is not null then
		perform notice_hinder(p_notice, p_hindrance);
		return false;
	end if;
	return true;
end
$$;

-- Lease due notices of the numbers that belong to this link. With a limit of 0 it only says that the link is there. One
-- token names the leases that were taken together.
create function smsc_lease(p_worker text, p_limit int, p_lease interval)
returns table (notice bigint, token uuid, attempt int, msisdn text, sender text, text text, sealed bytea,
	concat_ref int, parts int, settled int[], validity int)
language plpgsql security definer set search_path = provbox, pg_temp as $$
#variable_conflict use_column
declare
	slots int[] := link_slots(left(p_worker, 100));
	due_by timestamptz := clock_timestamp(); -- known before, so that the index ends at it
	part_validity interval := setting_interval('part_validity');
	short_code text := setting_text('short_code');
	lease_token uuid := gen_random_uuid();
	taken bigint[]; -- notices that are due; their outbox rows are locked
	hindered bigint[];
	hindrances text[];
	ready bigint[]; -- at first what was never tried
	due record;
begin
	taken := array(
		select notice from outbox
		where kind = 'sms' and state = 'due' and due_at <= due_by and slot = any (slots)
		order by due_at limit p_limit for update skip locked
	);
	select array_agg(h.notice), array_agg(h.hindrance) into hindered, hindrances from notices_hindered(taken) h;
	ready := array(
		select o.notice from outbox o join notice n on n.id = o.notice
		where o.notice = any (taken) and o.attempt = 0 and n.parts is null and n.id = any (hindered) is not true
	);
	for due in -- by request, because the requests of those that are given up are locked
		select o, n, h.hindrance from outbox o join notice n on n.id = o.notice
		left join unnest(hindered, hindrances) h (notice, hindrance) on h.notice = n.id
		where o.notice = any (taken) and o.notice <> all (ready) order by o.request, o.id
	loop
		if notice_is_ready(due.o, due.n, due.hindrance) then
			ready := ready || (due.n).id;
		end if;
	end loop;
	return query
		with leased as (
			update outbox set due_at = clock_timestamp() + p_lease, attempt = attempt + 1,
				token = lease_token, worker = left(p_worker, 100), changed = clock_timestamp()
			where notice = any (ready) returning *
		)
		select n.id, l.token, l.attempt, n.msisdn, short_code, n.text, n.sealed, n.concat_ref, n.parts,
			case when n.parts is null then '{}' else parts_settled(n.id) end,
			greatest(1, ceil(extract(epoch from least(part_validity, n.useful_until - clock_timestamp()))))::int
		from leased l join notice n on n.id = l.notice order by l.request, l.id;
end
$$;

-- Notices were split into so many parts; what was queued is being sent from now on.
create function notices_split(p_notices bigint[], p_totals int[]) returns void
language plpgsql set search_path = provbox, pg_temp as $$
declare
	touched bigint[];
begin
	with was as (
		select n.id, n.state, l.total from unnest(p_notices, p_totals) l (id, total) join notice n on n.id = l.id
		where n.state = 'queued' or n.parts is distinct from l.total order by n.id for no key update of n
	), became as (
		update notice n set parts = w.total, changed = clock_timestamp(),
			state = case w.state when 'queued' then 'sending' else w.state end,
			reason = case w.state when 'queued' then null else n.reason end
		from was w where n.id = w.id returning n.id, n.dev, n.request, n.kind, n.parts, w.state as was
	), story as (
		insert into event (dev, request, kind, actor, from_state, to_state, detail)
		select dev, request, 'notice', 'smsc', 'queued', 'sending',
			jsonb_build_object('notice', id, 'notice_kind', kind, 'parts', parts)
		from became where was = 'queued' order by id
	)
	select array_agg(request) into touched from became where was = 'queued' and kind = 'terms';
	perform requests_touch(touched);
end
$$;

-- Record this attempt at parts of leased notices, before they are sent; p_of is the place of each part's notice in
-- p_notices. One row for each notice, in their order: false when its lease went to another.
create function smsc_parts(p_notices bigint[], p_tokens uuid[], p_totals int[], p_of int[], p_parts int[],
	p_uuids uuid[])
returns table (is_ours boolean)
language plpgsql security definer set search_path = provbox, pg_temp as $$
#variable_conflict use_column
declare
	ours bigint[];
	totals int[];
begin
	with locked as (
		select notice, token, state from outbox where notice = any (p_notices) order by id for update
	)
	select array_agg(l.notice), array_agg(l.total) into ours, totals
	from unnest(p_notices, p_tokens, p_totals) l (notice, token, total) join locked using (notice, token)
	where locked.state = 'due';
	insert into notice_part (notice, part, attempt, uuid, link)
	select o.notice, u.part, case when n.parts is null then 1 else 1 + coalesce((select max(attempt) from notice_part x
		where x.notice = n.id and x.part = u.part), 0) end, u.uuid, o.worker
	from unnest(p_of, p_parts, p_uuids) u (nth, part, uuid) join outbox o on o.notice = p_notices[u.nth]
	join notice n on n.id = o.notice where n.id = any (ours);
	perform notices_split(ours, totals);
	return query select l.id = any (ours) is true from unnest(p_notices) with ordinality l (id, nth) order by l.nth;
end
$$;

-- What was told of a part, all at once. event is the one report that counts, null where bearerbox's acknowledgement is all;
-- accepted, delivered and failed are what the SMSC said with each, null where it did not. is_unsent: bearerbox waited for
-- the SMSC until the validity had passed; the part was never sent, and may be.
create type part_news as (uuid uuid, notice bigint, part int, attempt int, event int, is_unsent boolean, was text,
	became text, notice_was text, accepted jsonb, delivered jsonb, failed jsonb);

-- Draw the conclusions from all parts of notices after news of some of them, and tell the story of their requests; their
-- outbox rows are locked. What was accepted and delivered at once has been both.
create function notices_judge(p_notices bigint[], p_news part_news[]) returns void
language plpgsql set search_path = provbox, pg_temp as $$
declare
	is_accepted_done boolean := setting_text('notice_done') = 'accepted';
	done bigint[];
	arrived bigint[];
	touched bigint[];
begin
	with counted as (
		select notice, count(*) filter (where ack in (0, 3) or state in ('accepted', 'delivered')) as taken,
			count(*) filter (where state in ('accepted', 'delivered')) as accepted,
			count(*) filter (where state = 'delivered') as delivered
		from notice_part_now where notice = any (p_notices) group by notice
	), told as (
		select notice, (array_agg(accepted) filter (where accepted is not null))[1] as accepted,
			(array_agg(delivered) filter (where delivered is not null))[1] as delivered
		from unnest(p_news) group by notice
	), judged as (
		select n.id, n.state as was, c.taken = n.parts and n.acked is null as is_newly_acked, c.accepted = n.parts as is_accepted,
			case when c.delivered = n.parts then 'delivered'
				when c.accepted = n.parts and n.state in ('queued', 'sending', 'expired') then 'accepted'
				else n.state end as becomes, c.delivered = n.parts as is_delivered
		from counted c join notice n on n.id = c.notice
	), became as (
		update notice n set state = j.becomes, changed = clock_timestamp(),
			reason = case when j.becomes = j.was then n.reason end,
			acked = case when j.is_newly_acked then clock_timestamp() else n.acked end
		from judged j where n.id = j.id and (j.is_newly_acked or j.becomes <> j.was)
		returning n.id, n.dev, n.request, n.kind, n.parts, j.was, j.becomes, j.is_newly_acked
	), steps as (
		select b.*, t.accepted, t.delivered, b.becomes <> b.was and (b.becomes = 'accepted'
			or t.accepted is not null and b.was in ('queued', 'sending', 'expired')) as is_newly_accepted
		from became b left join told t on t.notice = b.id
	), story as (
		insert into event (dev, request, kind, actor, from_state, to_state, detail)
		select s.dev, s.request, e.kind, 'smsc', e.from_state, e.to_state,
			coalesce(e.detail, '{}') || jsonb_build_object('notice', s.id, 'notice_kind', s.kind)
		from steps s cross join lateral (values
			(1, s.is_newly_acked, 'notice_acked', null, null, jsonb_build_object('parts', s.parts)),
			(2, s.is_newly_accepted, 'notice', s.was, 'accepted', s.accepted),
			(3, s.becomes = 'delivered' and s.was <> 'delivered', 'notice',
				case when s.is_newly_accepted then 'accepted' else s.was end, 'delivered', s.delivered)
		) e (nth, is_told, kind, from_state, to_state, detail)
		where e.is_told order by s.id, e.nth
	)
	select array_agg(j.id) filter (where j.is_delivered or j.is_accepted and is_accepted_done),
		array_agg(j.id) filter (where j.is_delivered),
		array_agg(b.request) filter (where b.becomes <> b.was and b.kind = 'terms')
	into done, arrived, touched from judged j left join became b on b.id = j.id;
	perform requests_touch(touched);
	update outbox set state = 'done', token = null, reason = null, changed = clock_timestamp()
	where notice = any (done) and (state = 'due' or state = 'dead' and notice = any (arrived));
end
$$;

-- The SMSC failed a part: send it again where that is allowed, else the notice has failed. What has ended otherwise, or
-- has no text any more, is let be.
create function notice_fail(p_notice bigint, p_reason text, p_detail jsonb) returns void
language plpgsql set search_path = provbox, pg_temp as $$
declare
	o outbox;
begin
	select * into strict o from outbox where notice = p_notice for update;
	update notice set retries = retries + 1
	where id = p_notice and retries < setting_int('notice_retries') and o.state in ('due', 'done')
		and coalesce(text, hex(sealed)) is not null;
	if found then
		update outbox set state = 'due', due_at = clock_timestamp() + backoff(attempt), token = null,
			reason = p_reason, changed = clock_timestamp()
		where id = o.id;
		perform notice_move(p_notice, 'sending', 'smsc', p_reason, p_detail);
	elsif o.state = 'due' then
		perform outbox_bury(o.id, 'smsc', p_reason, p_detail);
	elsif o.state = 'done' then
		perform notice_move(p_notice, 'failed', 'smsc', p_reason, p_detail);
	end if;
end
$$;

-- Lock the notices of some attempts and what may change with them, in the order of locks; their requests only where a
-- state of theirs may.
create function parts_lock(p_uuids uuid[], p_may_move boolean) returns void
language plpgsql set search_path = provbox, pg_temp as $$
declare
	notices bigint[] := array(select notice from notice_part where uuid = any (p_uuids));
begin
	perform from outbox where notice = any (notices) order by id for update;
	perform from notice where id = any (notices) order by id for no key update;
	if p_may_move then
		perform from request where rid in (select request from notice where id = any (notices)) order by rid
		for no key update;
	end if;
end
$$;

-- Has the SMSC a part, by any attempt? Then what becomes of another one fails nothing.
create function is_part_taken(p_notice bigint, p_part int) returns boolean
language plpgsql stable set search_path = provbox, pg_temp as $$
begin
	return exists (select from notice_part_now where notice = p_notice and part = p_part
		and state in ('accepted', 'delivered'));
end
$$;

-- What an SMSC says of a part, without the head of the text that its receipt quotes at the end (SMPP 3.4, appendix B):
-- the text may be a secret.
create function answer_unquoted(p_answer text) returns text
language sql immutable as $$
	select regexp_replace(p_answer, '\s*\mtext:.*$', '', 'i')
$$;

-- What an SMSC said of a part, for the event; null where it said nothing.
create function part_said(p_part int, p_answer text, p_foreign_id text) returns jsonb
language sql immutable as $$
	select case when p_answer is not null then jsonb_strip_nulls(jsonb_build_object('part', p_part,
		'answer', nullif(p_answer, ''), 'smsc_message', p_foreign_id)) end
$$;

-- An attempt at a part has failed: do with its notice what is to be done. Where the SMSC has the part by any attempt, that
-- is nothing.
create function part_fail(p_news part_news) returns void
language plpgsql set search_path = provbox, pg_temp as $$
declare
	work bigint; -- while it is due
begin
	select id into work from outbox where notice = p_news.notice and state = 'due';
	if p_news.is_unsent then
		update outbox set due_at = clock_timestamp(), token = null
		where id = work and p_news.became = 'expired' and not exists (select from notice_part x
			where x.notice = p_news.notice and x.part = p_news.part and x.attempt > p_news.attempt);
	elsif is_part_taken(p_news.notice, p_news.part) then
		return;
	elsif p_news.event is null and p_news.became = 'refused' then
		perform outbox_bury(work, 'smsc', 'message_refused', jsonb_build_object('part', p_news.part)) where work is not null;
	elsif p_news.event is null then
		perform outbox_fail(work, 'smsc', 'link_busy', false) where work is not null;
	elsif p_news.event in (2, 16, 32) and p_news.was not in ('delivered', 'failed') then
		perform notice_fail(p_news.notice,
			case p_news.event when 16 then 'message_rejected' else 'message_undelivered' end, p_news.failed);
	end if;
end
$$;

-- News of parts, as the text that bearerbox gave back for each: its acknowledgement (0 and 3: it has the part, 1: refused,
-- 2: not now), or a report, whose event is one bit of Kannel's dlr_mask: 1 delivered, 2 failed, 4 buffered (the SMSC has
-- it), 8 accepted by the SMSC, 16 rejected by it, 32 expired, 64 unknown. Reports may come before the acknowledgement,
-- twice, and late. A part may be named more than once if all of it is good news (ack 0 and 3, events 1, 4 and 8): that
-- counts as told at once.
-- One row for each, in their order; news is new, repeated (it says nothing that was not known of the part), late (the
-- notice had ended without it), or unknown. Only what changes the state of a notice is an event: an SMSC that repeats
-- itself fills no table.
create function smsc_news(p_refs text[], p_acks int[], p_events int[], p_foreign_ids text[], p_answers text[])
returns table (news text, state text)
language plpgsql security definer set search_path = provbox, pg_temp as $$
#variable_conflict use_column
declare
	uuids uuid[] := array(select case when ref ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then ref::uuid end
		from unnest(p_refs) with ordinality r (ref, nth) order by nth);
	all_news part_news[];
begin
	perform parts_lock(uuids, array_remove(p_events, null) <> '{}' or not array_remove(p_acks, null) <@ '{0,3}');
	with told as (
		select uuid, min(ack) as ack, case when bool_or(event = 1) then 1
				else coalesce(max(event) filter (where event not in (4, 8)), max(event)) end as event,
			max(left(foreign_id, 100)) as foreign_id, max(answer) filter (where event in (4, 8)) as answer_accepted,
			max(answer) filter (where event not in (4, 8)) as answer_final
		from (select uuid, ack, event, foreign_id, left(answer_unquoted(coalesce(answer, '')), 200) as answer
			from unnest(uuids, p_acks, p_events, p_foreign_ids, p_answers) n (uuid, ack, event, foreign_id, answer)) n
		where uuid is not null group by uuid
	), judged as materialized (
		select t.*, p.notice, p.part, p.attempt, p.state as was, n.state as notice_was,
			t.event = 16 and starts_with(t.answer_final, 'NACK/validity expired') as is_unsent
		from told t join notice_part p on p.uuid = t.uuid join notice n on n.id = p.notice
	), became as (
		select j.*, case when event = 1 or was = 'delivered' then 'delivered'
				when event in (4, 8) and was <> 'failed' then 'accepted'
				when is_unsent then case when was in ('accepted', 'failed') then was else 'expired' end
				when event in (2, 16, 32) then 'failed'
				when was <> 'sent' or ack is null then was
				when ack in (0, 3) then 'acked' when ack = 1 then 'refused' else 'deferred' end as state
		from judged j
	), stored as (
		update notice_part p set state = b.state, ack = coalesce(p.ack, b.ack),
			acked = coalesce(p.acked, clock_timestamp()), foreign_id = coalesce(b.foreign_id, p.foreign_id),
			answer = coalesce(b.answer_final, b.answer_accepted, p.answer),
			reported = case when b.event is null then p.reported else clock_timestamp() end
		from became b where p.uuid = b.uuid and (b.event is not null or p.ack is null)
	)
	select array_agg(row (uuid, notice, part, attempt, event, is_unsent, was, state, notice_was,
		part_said(part, answer_accepted, foreign_id),
		case when event = 1 then part_said(part, answer_final, foreign_id) end,
		case when event <> 1 then part_said(part, answer_final, foreign_id) end)::part_news order by notice, part)
	into all_news from became;
	perform notices_judge(array_agg(distinct x.notice), all_news) from unnest(all_news) x
	where x.became in ('acked', 'accepted', 'delivered') having count(*) > 0;
	perform part_fail(x) from unnest(all_news) x
	where x.event not in (1, 4, 8) or x.event is null and x.became in ('refused', 'deferred') and x.was = 'sent';
	return query
		select case when x.uuid is null then 'unknown'
			when x.became = x.was or row_number() over (partition by u.uuid, u.ack, u.event order by u.nth) > 1 then 'repeated'
			when x.notice_was in ('failed', 'expired', 'stopped') then 'late' else 'new' end, n.state
		from unnest(uuids, p_acks, p_events) with ordinality u (uuid, ack, event, nth)
		left join unnest(all_news) x on x.uuid = u.uuid left join notice n on n.id = x.notice order by u.nth;
end
$$;

-- Parts that this link gave to bearerbox and of which nothing was reported yet, with the time that is left to them. What
-- became of their notices does not matter: bearerbox has them still.
create function smsc_unreported(p_worker text, p_limit int) returns table (uuid uuid, left_ms bigint)
language plpgsql stable security definer set search_path = provbox, pg_temp as $$
#variable_conflict use_column
declare
	part_validity interval := setting_interval('part_validity');
	since timestamptz := clock_timestamp() - part_validity;
begin
	return query
		with handed as ( -- a row that ended may have been acknowledged a little later
			select notice from outbox where kind = 'sms' and state = 'due' and worker is not null
			union all select notice from outbox
			where kind = 'sms' and state in ('dead', 'dropped') and changed > since - part_validity
		)
		select p.uuid, ceil(extract(epoch from p.acked + part_validity - clock_timestamp()) * 1000)::bigint
		from handed h join notice_part p on p.notice = h.notice
		where p.link = left(p_worker, 100) and p.state = 'acked' and p.acked > since
		order by p.acked limit p_limit;
end
$$;

create function smsc_unacked(p_worker text) returns int
language plpgsql security definer set search_path = provbox, pg_temp as $$
declare
	o record;
	found_count int := 0;
begin
	for o in
		select id from outbox
		where kind = 'sms' and state = 'due' and token is not null and worker = left(p_worker, 100)
		order by id for update
	loop
		update outbox set due_at = clock_timestamp(), token = null
		where id = o.id and due_at > clock_timestamp() and exists (select from notice n where n.id = notice
			and (n.parts is null or n.parts > (select count(*) from notice_part_now p
				where p.notice = n.id and p.state in ('acked', 'accepted', 'delivered'))));
		if found then
			found_count := found_count + 1;
		end if;
	end loop;
	return found_count;
end
$$;

create function smsc_retry(p_notice bigint, p_token uuid, p_reason text, p_permanent boolean) returns text
language plpgsql security definer set search_path = provbox, pg_temp as $$
declare
	outbox_id bigint;
begin
	select id into outbox_id from outbox where notice = p_notice and token = p_token and state = 'due' for update;
	if not found then
		return null;
	end if;
	return outbox_fail(outbox_id, 'smsc', p_reason, p_permanent);
end
$$;

grant execute on function smsc_lease, smsc_parts, smsc_news, smsc_unacked, smsc_unreported, smsc_retry to provbox_smsc;
