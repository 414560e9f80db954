-- Notices: messages to a number, their parts, and what the SMSC link reports about them.
set local search_path = provbox, pg_temp;

-- Does the text fit into 20 parts of 153 septets or 67 UCS-2 units (3GPP TS 23.038, 23.040), with a unit to spare in
-- each because an escape or a surrogate pair is not split? Control characters but line feeds do not fit.
create function message_fits(p_text text) returns boolean
language sql immutable set search_path = provbox, pg_temp as $$
	select case
		when p_text ~ '[\u0001-\u0009\u000b-\u001f\u007f-\u009f]' then false
		when rest.outside = '' then length(p_text) + length(rest.extended) <= 20 * 152
		else length(p_text) + regexp_count(p_text, '[\U00010000-\U0010ffff]') <= 20 * 66 end
	from (select translate(basic.left_over, '^{}\[~]|€', '') as outside, basic.left_over as extended
		from (select translate(p_text, E'@£$¥èéùìòÇ\nØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !"#¤%&''()*+,-./0123456789:;<=>?'
			|| '¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà', '') as left_over) basic) rest
$$;

-- As the check of the table has them, which would call this for each row.
create function notice_states() returns text[]
language sql immutable as $$
	select '{queued,sending,accepted,delivered,failed,expired,stopped}'::text[]
$$;

-- concat_ref is the reference of a message in parts, counted per number; parts is null until it was first split.
-- state is what the SMSC said of every part; acked is when bearerbox had every part. After useful_until nothing of it
-- is sent any more. A text that holds a secret is there sealed, until the work on it ends; its hash stays. Where the
-- subscriber was erased, there is no number and no text.
create table notice (
	id bigint generated always as identity primary key,
	request bigint references request,
	dev text,
	msisdn text check (msisdn ~ '^\+[1-9][0-9]{6,14}$'),
	kind text not null check (kind in ('terms', 'accepted', 'status', 'reply', 'access')),
	language text not null,
	text text,
	sealed bytea,
	sealed_sha256 bytea check (length(sealed_sha256) = 32),
	useful_until timestamptz not null,
	state text not null default 'queued' check (state in
		('queued', 'sending', 'accepted', 'delivered', 'failed', 'expired', 'stopped')),
	reason text references reason,
	concat_ref int not null check (concat_ref between 0 and 255),
	parts int check (parts between 1 and 20),
	retries int not null default 0,
	acked timestamptz,
	created timestamptz not null default clock_timestamp(),
	changed timestamptz not null default clock_timestamp(),
	check (text is null or sealed is null),
	check (msisdn is null or (kind = 'access') = (text is null))
) with (fillfactor = 60); -- each changes some times: room for that beside it
create index notice_msisdn on notice (msisdn, created);
create index notice_request on notice (request);
create index notice_dev on notice (dev) where request is null;
alter table outbox add foreign key (notice) references notice;

-- One attempt at one part. The uuid is the id of the box message and comes back in acknowledgement and reports.
create table notice_part (
	notice bigint not null references notice,
	part int not null check (part between 1 and 20),
	attempt int not null,
	uuid uuid not null unique,
	link text not null, -- through which it went, and its reports come
	state text not null default 'sent'
		check (state in ('sent', 'acked', 'deferred', 'refused', 'expired', 'accepted', 'delivered', 'failed')),
	ack int,
	foreign_id text,
	answer text,
	sent timestamptz not null default clock_timestamp(),
	acked timestamptz,
	reported timestamptz,
	primary key (notice, part, attempt)
) with (fillfactor = 60); -- each changes three times, no column of an index

create table number_ref (
	msisdn text primary key,
	ref int not null
);

-- The attempt at each part that counts: the one that got furthest, else the newest. So a late report on an earlier
-- attempt is still one on the part.
create view notice_part_now with (security_barrier) as
	select distinct on (notice, part) * from notice_part
	order by notice, part, array_position('{delivered,accepted}'::text[], state), attempt desc;

-- Links to bearerboxes that say that they are there. Each slot of numbers belongs to one of them: link_slots().
create table smsc_link (
	name text primary key,
	seen timestamptz not null
);

-- Numbers fall into 256 slots, for ever the same.
create function slot_of(p_msisdn text) returns int
language plpgsql immutable set search_path = provbox, pg_temp as $$
begin -- in SQL it would be planned at each call: convert_to() is only stable, so nothing takes its place
	return get_byte(sha256(convert_to(p_msisdn, 'UTF8')), 0);
end
$$;

create function is_message_allowed(p_msisdn text) returns boolean
language plpgsql stable set search_path = provbox, pg_temp as $$
begin
	return (
		select count(*) < setting_int('messages_per_hour')
		from notice where msisdn = p_msisdn and created > clock_timestamp() - interval '1 hour'
	);
end
$$;

-- Is a kind in the list of a setting: none, or names with commas between?
create function is_kind_in(p_key text, p_kind text) returns boolean
language plpgsql stable set search_path = provbox, pg_temp as $$
begin
	return p_kind = any (string_to_array(setting_text(p_key), ','));
end
$$;

-- Send nothing more of a notice, whose outbox row is locked; nobody need act.
create function notice_end(p_notice bigint, p_state text, p_actor text, p_reason text) returns void
language plpgsql set search_path = provbox, pg_temp as $$
begin
	update outbox set state = 'dropped', token = null, reason = p_reason, changed = clock_timestamp()
	where notice = p_notice;
	perform notice_move(p_notice, p_state, p_actor, p_reason, null);
end
$$;

create function next_ref(p_msisdn text) returns int
language plpgsql set search_path = provbox, pg_temp as $$
#variable_conflict use_column
declare
	given int;
begin
	insert into number_ref as n (msisdn, ref) values (p_msisdn, 0)
	on conflict (msisdn) do update set ref = (n.ref + 1) % 256 returning ref into given;
	return given;
end
$$;

-- A notice is queued: hand it to the link that its number belongs to, and tell. Where the subscriber said STOP, it ends
-- at once.
create function notice_queue(p_notice notice) returns void
language plpgsql set search_path = provbox, pg_temp as $$
begin
	insert into outbox (kind, key, request, notice, slot)
	values ('sms', 'notice/' || p_notice.id, p_notice.request, p_notice.id, slot_of(p_notice.msisdn));
	perform event_put(p_notice.dev, p_notice.request, 'notice_queued', 'server', null, jsonb_build_object(
		'notice', p_notice.id, 'notice_kind', p_notice.kind, 'number', masked(p_notice.msisdn)));
	if is_stopped(p_notice.msisdn, p_notice.kind) then
		perform notice_end(p_notice.id, 'stopped', 'server', 'number_stopped');
	end if;
end
$$;

-- Queue a message; returns its id. Terms are never left out here (request_put checks the limit before); the others are, with
-- an event, and null.
create function notice_put(p_rid bigint, p_msisdn text, p_kind text, p_language text, p_text text) returns bigint
language plpgsql set search_path = provbox, pg_temp as $$
declare
	r request;
	n notice;
begin
	select * into r from request where rid = p_rid;
	if p_kind <> 'terms' and not is_message_allowed(p_msisdn) then
		perform event_put(r.dev, p_rid, 'notice_left_out', 'server', 'message_limit',
			jsonb_build_object('notice_kind', p_kind));
		return null;
	end if;
	insert into notice (request, dev, msisdn, kind, language, text, concat_ref, useful_until)
	values (p_rid, r.dev, p_msisdn, p_kind, p_language, p_text, next_ref(p_msisdn),
		coalesce((select expires from offer where request = p_rid and p_kind = 'terms'),
			clock_timestamp() + setting_interval('notice_lifetime')))
	returning * into n;
	perform notice_queue(n);
	return n.id;
end
$$;

-- Change the state of notices, tell the story of their requests, and let readers of these see what request_json shows
-- of it, which is the terms: a device that waits is not woken for another. Those that have the state already are left
-- alone. p_details belong to p_notices, each named once.
create function notices_move(p_notices bigint[], p_state text, p_actor text, p_reason text, p_details jsonb[])
returns void
language plpgsql set search_path = provbox, pg_temp as $$
declare
	touched bigint[];
begin
	with was as (
		select id, state from notice where id = any (p_notices) and state <> p_state order by id for no key update
	), became as (
		update notice n set state = p_state, reason = p_reason, changed = clock_timestamp()
		from was where n.id = was.id returning n.id, n.dev, n.request, n.kind, was.state as from_state
	), told as (
		insert into event (dev, request, kind, actor, from_state, to_state, reason, detail)
		select b.dev, b.request, 'notice', p_actor, b.from_state, p_state, p_reason,
			coalesce(d.detail, '{}') || jsonb_build_object('notice', b.id, 'notice_kind', b.kind)
		from became b join unnest(p_notices, p_details) d (id, detail) on d.id = b.id order by b.id
	)
	select array_agg(distinct request) into touched from became where request is not null and kind = 'terms';
	if touched is not null then
		perform requests_touch(touched);
	end if;
end
$$;

create function notice_move(p_notice bigint, p_state text, p_actor text, p_reason text, p_detail jsonb) returns void
language plpgsql set search_path = provbox, pg_temp as $$
begin
	perform notices_move(array[p_notice], p_state, p_actor, p_reason, array[p_detail]);
end
$$;

-- The SMSC link -------------------------------------------------------------------------------------------------
-- A notice stays in the outbox until the report that notice_done names. When its lease is over and bearerbox has every
-- part, it is due again only when part_validity has passed; then the parts without any report are sent once more.

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

-- Should this due notice, whose outbox row is locked, be sent now? If not, does with it what is to be done instead. A
-- part of it was recorded before where it has a number of parts.
create function notice_is_ready(p_outbox outbox, p_notice notice) returns boolean
language plpgsql set search_path = provbox, pg_temp as $$
declare
	hindrance text;
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
	end if;
	hindrance := notice_hindrance(p_notice);
	if hindrance is not null then
		perform notice_hinder(p_notice, hindrance);
	end if;
	return hindrance is null;
end
$$;

-- Lease due notices of the numbers that belong to this link. With a limit of 0 it only says that the link is there.
create function smsc_lease(p_worker text, p_limit int, p_lease interval)
returns table (notice bigint, token uuid, attempt int, msisdn text, sender text, text text, sealed bytea,
	concat_ref int, parts int, settled int[], validity int)
language plpgsql security definer set search_path = provbox, pg_temp as $$
#variable_conflict use_column
declare
	slots int[] := link_slots(left(p_worker, 100));
	part_validity interval := setting_interval('part_validity');
	taken bigint[];
	due record;
	ready bigint[] := '{}';
begin
	taken := array(
		select id from outbox
		where kind = 'sms' and state = 'due' and due_at <= clock_timestamp() and slot = any (slots)
		order by due_at limit p_limit for update skip locked
	);
	for due in -- by request, because the requests of those that are given up are locked
		select o, n from outbox o join notice n on n.id = o.notice
		where o.id = any (taken) order by o.request, o.id
	loop
		if notice_is_ready(due.o, due.n) then
			ready := ready || (due.o).id;
		end if;
	end loop;
	return query
		with leased as (
			update outbox set due_at = clock_timestamp() + p_lease, attempt = attempt + 1,
				token = gen_random_uuid(), worker = left(p_worker, 100), changed = clock_timestamp()
			where id = any (ready) returning *
		)
		select n.id, l.token, l.attempt, n.msisdn, setting_text('short_code'), n.text, n.sealed, n.concat_ref, n.parts,
			case when n.parts is null then '{}' else parts_settled(n.id) end,
			greatest(1, ceil(extract(epoch from least(part_validity, n.useful_until - clock_timestamp()))))::int
		from leased l join notice n on n.id = l.notice order by l.request, l.id;
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
	first_time bigint[];
	details jsonb[];
begin
	perform from outbox where notice = any (p_notices) order by id for update;
	ours := array(select o.notice from unnest(p_notices, p_tokens) l (notice, token) join outbox o using (notice, token)
		where o.state = 'due');
	update notice n set parts = l.total from unnest(p_notices, p_totals) l (id, total)
	where n.id = l.id and n.id = any (ours) and n.parts is distinct from l.total;
	insert into notice_part (notice, part, attempt, uuid, link)
	select o.notice, u.part, 1 + coalesce((select max(attempt) from notice_part x
		where x.notice = o.notice and x.part = u.part), 0), u.uuid, o.worker
	from unnest(p_of, p_parts, p_uuids) u (nth, part, uuid) join outbox o on o.notice = p_notices[u.nth]
	where o.notice = any (ours);
	select array_agg(id), array_agg(jsonb_build_object('parts', parts)) into first_time, details
	from notice where id = any (ours) and state = 'queued';
	perform notices_move(first_time, 'sending', 'smsc', null, details);
	return query select l.id = any (ours) from unnest(p_notices) with ordinality l (id, nth) order by l.nth;
end
$$;

-- Draw the conclusions from all parts of notices after some of them changed; their outbox rows are locked. p_details
-- belong to p_notices, which may be named more than once: then the last counts.
create function notices_judge(p_notices bigint[], p_details jsonb[]) returns void
language plpgsql set search_path = provbox, pg_temp as $$
declare
	is_accepted_done boolean := setting_text('notice_done') = 'accepted';
	newly_acked bigint[]; -- bearerbox has every part of them, since now
	delivered bigint[];
	delivered_details jsonb[];
	accepted bigint[];
	accepted_details jsonb[];
	done bigint[];
begin
	select array_agg(n.id) filter (where c.taken = n.parts and n.acked is null),
		array_agg(n.id order by n.id) filter (where c.delivered = n.parts),
		array_agg(d.detail order by n.id) filter (where c.delivered = n.parts),
		array_agg(n.id order by n.id) filter (where c.accepted = n.parts and c.delivered < n.parts
			and n.state in ('queued', 'sending', 'expired')),
		array_agg(d.detail order by n.id) filter (where c.accepted = n.parts and c.delivered < n.parts
			and n.state in ('queued', 'sending', 'expired')),
		array_agg(n.id) filter (where c.is_done)
	into newly_acked, delivered, delivered_details, accepted, accepted_details, done
	from (select distinct on (id) * from unnest(p_notices, p_details) with ordinality x (id, detail, nth)
		order by id, nth desc) d
	join notice n on n.id = d.id
	cross join lateral (select x.*, x.delivered = n.parts or x.accepted = n.parts and is_accepted_done as is_done
		from (select count(*) filter (where ack in (0, 3) or state in ('accepted', 'delivered')) as taken,
			count(*) filter (where state in ('accepted', 'delivered')) as accepted,
			count(*) filter (where state = 'delivered') as delivered
			from notice_part_now where notice = n.id) x) c;
	if newly_acked is not null then
		update notice n set acked = clock_timestamp() where id = any (newly_acked);
		insert into event (dev, request, kind, actor, detail)
		select dev, request, 'notice_acked', 'smsc',
			jsonb_build_object('notice', id, 'notice_kind', kind, 'parts', parts)
		from notice where id = any (newly_acked) order by id;
	end if;
	if delivered is not null then
		perform notices_move(delivered, 'delivered', 'smsc', null, delivered_details);
	end if;
	if accepted is not null then
		perform notices_move(accepted, 'accepted', 'smsc', null, accepted_details);
	end if;
	if done is not null then
		update outbox set state = 'done', token = null, reason = null, changed = clock_timestamp()
		where notice = any (done) and (state = 'due' or state = 'dead' and notice = any (delivered));
	end if;
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

-- What bearerbox said of parts that it was sent, each named once. One row for each, in their order: the state of its
-- notice, or null for an unknown one.
create function smsc_ack(p_uuids uuid[], p_nacks int[]) returns table (state text)
language plpgsql security definer set search_path = provbox, pg_temp as $$
#variable_conflict use_column
declare
	changed notice_part[];
	had bigint[];
	p notice_part;
begin
	perform parts_lock(p_uuids, not p_nacks <@ '{0,3}');
	with said as (
		update notice_part p set ack = s.nack, acked = clock_timestamp(), state = case
			when p.state <> 'sent' then p.state when s.nack in (0, 3) then 'acked'
			when s.nack = 1 then 'refused' else 'deferred' end
		from unnest(p_uuids, p_nacks) s (uuid, nack) where p.uuid = s.uuid and p.ack is null returning p.*
	)
	select array_agg(s::notice_part order by s.notice, s.part) into changed from said s;
	had := array(select c.notice from unnest(changed) c where c.state = 'acked' or is_part_taken(c.notice, c.part));
	if had <> '{}' then
		perform notices_judge(had, null);
	end if;
	for p in select * from unnest(changed) c where c.state in ('refused', 'deferred') and not is_part_taken(c.notice, c.part)
	loop
		if p.state = 'refused' then
			perform outbox_bury(id, 'smsc', 'message_refused', jsonb_build_object('part', p.part))
			from outbox where notice = p.notice and state = 'due';
		else
			perform outbox_fail(id, 'smsc', 'link_busy', false) from outbox where notice = p.notice and state = 'due';
		end if;
	end loop;
	return query select n.state from unnest(p_uuids) with ordinality s (uuid, nth)
		left join notice_part x on x.uuid = s.uuid left join notice n on n.id = x.notice order by s.nth;
end
$$;

-- What an SMSC says of a part, without the head of the text that its receipt quotes at the end (SMPP 3.4, appendix B):
-- the text may be a secret.
create function answer_unquoted(p_answer text) returns text
language sql immutable as $$
	select regexp_replace(p_answer, '\s*\mtext:.*$', '', 'i')
$$;

-- What a report was to us. is_unsent: bearerbox waited for the SMSC until the validity had passed; the part was never
-- sent, and may be.
create type part_report as (nth bigint, notice bigint, part int, attempt int, event int, is_unsent boolean,
	was text, became text, before text, detail jsonb);

-- Reports on parts, each named once, as the text that bearerbox gave back. An event is one bit of Kannel's dlr_mask:
-- 1 delivered, 2 failed, 4 buffered (the SMSC has it), 8 accepted by the SMSC, 16 rejected by it, 32 expired, 64 unknown.
-- Reports may come before the acknowledgement, twice, and late. One row for each, in their order; news is new, repeated
-- (it says nothing that was not known of the part), late (the notice had ended without it), or unknown. Only what changes
-- the state of a notice is an event: an SMSC that repeats itself fills no table.
create function smsc_report(p_refs text[], p_events int[], p_foreign_ids text[], p_answers text[])
returns table (news text, state text)
language plpgsql security definer set search_path = provbox, pg_temp as $$
#variable_conflict use_column
declare
	uuids uuid[] := array(select case when ref ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then ref::uuid end
		from unnest(p_refs) with ordinality r (ref, nth) order by nth);
	reports part_report[];
	r part_report;
begin
	perform parts_lock(uuids, true);
	with said as materialized (
		select s.nth, p.uuid, p.notice, p.part, p.attempt, s.event, p.state as was, n.state as before,
			s.event = 16 and starts_with(s.answer, 'NACK/validity expired') as is_unsent,
			left(s.foreign_id, 100) as foreign_id, left(answer_unquoted(s.answer), 200) as answer
		from unnest(uuids, p_events, p_foreign_ids, p_answers) with ordinality s (uuid, event, foreign_id, answer, nth)
		join notice_part p on p.uuid = s.uuid join notice n on n.id = p.notice
	), became as (
		update notice_part p set reported = clock_timestamp(), acked = coalesce(p.acked, clock_timestamp()),
			foreign_id = coalesce(s.foreign_id, p.foreign_id), answer = s.answer,
			state = case when s.event = 1 then 'delivered'
				when p.state = 'delivered' then p.state
				when s.event in (4, 8) and p.state <> 'failed' then 'accepted'
				when s.is_unsent then case when p.state in ('accepted', 'failed') then p.state else 'expired' end
				when s.event in (2, 16, 32) then 'failed'
				else p.state end
		from said s where p.uuid = s.uuid
		returning s.nth, s.notice, s.part, s.attempt, s.event, s.is_unsent, s.was, p.state, s.before,
			jsonb_strip_nulls(jsonb_build_object('part', s.part, 'answer', nullif(s.answer, ''),
				'smsc_message', s.foreign_id))
	)
	select array_agg(b::part_report order by b.nth) into reports
	from became b (nth, notice, part, attempt, event, is_unsent, was, became, before, detail);
	perform notices_judge(array_agg(x.notice), array_agg(x.detail)) from unnest(reports) x
	where x.event in (1, 4, 8) having count(*) > 0;
	for r in select * from unnest(reports) x where x.event not in (1, 4, 8) order by x.notice loop
		if r.is_unsent then
			update outbox set due_at = clock_timestamp(), token = null
			where notice = r.notice and state = 'due' and r.became = 'expired' and not exists (select from notice_part x
				where x.notice = r.notice and x.part = r.part and x.attempt > r.attempt);
		elsif r.event in (2, 16, 32) and r.was not in ('delivered', 'failed')
			and not is_part_taken(r.notice, r.part) then
			perform notice_fail(r.notice,
				case r.event when 16 then 'message_rejected' else 'message_undelivered' end, r.detail);
		end if;
	end loop;
	return query
		select case when x.nth is null then 'unknown' when x.became = x.was then 'repeated'
			when x.before in ('failed', 'expired', 'stopped') then 'late' else 'new' end, n.state
		from unnest(uuids) with ordinality u (uuid, nth)
		left join unnest(reports) x on x.nth = u.nth left join notice n on n.id = x.notice order by u.nth;
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
