-- Notices: messages to a number, and their parts. What the SMSC link asks and tells is in 024_smsc_link.sql.
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
	notice bigint not null, -- smsc_parts() takes it from the notice, and none is ever deleted
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
	insert into outbox (kind, key, request, notice, slot, is_secret)
	values ('sms', 'notice/' || p_notice.id, p_notice.request, p_notice.id, slot_of(p_notice.msisdn),
		p_notice.kind = 'access');
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
