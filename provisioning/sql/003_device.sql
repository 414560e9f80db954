-- Devices, accounts, the policy for devices that are not there, and the events that tell every story.
set local search_path = provbox, pg_temp;

-- An epoch names the time from one change of a device, or of a rule, to the next. No two things ever have the same, so
-- that a grant given under one of them is dead under all others.
create sequence epoch;

-- What happens to a device for a reason.
create table policy (
	subject text not null check (subject in ('device')),
	reason text not null references reason,
	outcome text not null check (outcome in ('prevent', 'limited', 'register')),
	epoch bigint not null default nextval('epoch'),
	primary key (subject, reason)
);
insert into policy (subject, reason, outcome) values
('device', 'device_unknown', 'prevent'),
('device', 'device_clone', 'prevent');

-- An address as RFC 5321, 4.1.2, without quotes, literals or anything but ASCII: nothing in it means something to a mail
-- server or in the head of a message.
create function is_email(p_address text) returns boolean
language sql immutable as $$
	select length(p_address) <= 254 and p_address ~ ('^(?=[^@]{1,64}@)[A-Za-z0-9!#$%&''*+/=?^_`{|}~-]+'
		'(\.[A-Za-z0-9!#$%&''*+/=?^_`{|}~-]+)*@[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?'
		'(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)+$')
$$;

-- dev is the canonical URN (RFC 7254, RFC 8464). Number, model and subscriber are null for a device that the
-- policy registered; number and subscriber also where the subscriber was erased. cred pins the credential: the SHA-256 of the device's certificate. reason tells why the standing is
-- what it is; a device that is limited or blocked has its former standing kept. email and fax get copies
-- of terms; they are the operator's, never what a user typed.
create table device (
	dev text primary key check (dev ~ '^urn:(gsma:imei:[0-9]{8}-[0-9]{6}-0|device-id:meid:[0-9a-f]{14})$'),
	msisdn text check (msisdn ~ '^\+[1-9][0-9]{6,14}$'),
	model text check (length(model) between 1 and 100),
	firmware text check (length(firmware) <= 100),
	standing text not null default 'unprovisioned'
		check (standing in ('active', 'unprovisioned', 'limited', 'blocked')),
	reason text references reason,
	former_standing text check (former_standing in ('active', 'unprovisioned')),
	epoch bigint not null default nextval('epoch'),
	cred bytea check (length(cred) = 32),
	language text not null default 'en' check (language ~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$'),
	given_name text check (length(given_name) <= 100),
	family_name text check (length(family_name) <= 100),
	postcode text check (length(postcode) <= 100),
	email text check (is_email(email)),
	fax text check (fax ~ '^\+[1-9][0-9]{6,14}$'),
	created timestamptz not null default clock_timestamp(),
	changed timestamptz not null default clock_timestamp()
);
create index device_msisdn on device (msisdn);
create index device_restricted on device (standing) where standing in ('limited', 'blocked');

-- The epoch rises with every change of standing or credential, whoever makes it.
create function on_device_update() returns trigger
language plpgsql set search_path = provbox, pg_temp as $$
begin
	if (new.standing, new.cred) is distinct from (old.standing, old.cred) then
		new.epoch := nextval('epoch');
	end if;
	new.changed := clock_timestamp();
	return new;
end
$$;
create trigger device_update before update on device for each row execute function on_device_update();

create function on_policy_update() returns trigger
language plpgsql set search_path = provbox, pg_temp as $$
begin
	new.epoch := nextval('epoch');
	return new;
end
$$;
create trigger policy_update before update on policy for each row execute function on_policy_update();

-- The user's account: made when the first request of the device is done. request is the id of that request.
create table account (
	dev text primary key references device,
	accounting_reference text not null,
	given_name text not null,
	family_name text not null,
	postcode text not null,
	request uuid not null,
	opened timestamptz not null default clock_timestamp()
);

-- One row for each thing that happened. dev has no foreign key: unknown devices have events too. request is the
-- internal number of the request. With a sid, a kind is stored once.
create table event (
	id bigint generated always as identity primary key,
	at timestamptz not null default clock_timestamp(),
	dev text,
	request bigint,
	item text,
	kind text not null,
	actor text not null check (actor in
		('device', 'server', 'gateway', 'subscriber', 'smsc', 'courier', 'operator')),
	from_state text,
	to_state text,
	reason text references reason,
	detail jsonb not null default '{}',
	sid bytea check (length(sid) = 16)
);
create index event_request on event (request, id) where request is not null;
create index event_dev on event (dev, id) where request is null; -- the others are found by their requests
create index event_nobody on event (id) where dev is null and request is null;
create unique index event_sid on event (sid, kind) where sid is not null;

create function event_put(p_dev text, p_request bigint, p_kind text, p_actor text, p_reason text, p_detail jsonb)
returns void
language plpgsql set search_path = provbox, pg_temp as $$
begin
	insert into event (dev, request, kind, actor, reason, detail)
	values (p_dev, p_request, p_kind, p_actor, p_reason, coalesce(p_detail, '{}'));
end
$$;

-- Change a device's standing and tell why; p_request is the request that caused it, or null. Does nothing when it has
-- that standing.
create function standing_move(p_dev text, p_standing text, p_request bigint, p_actor text, p_reason text,
	p_detail jsonb)
returns void
language plpgsql set search_path = provbox, pg_temp as $$
declare
	d device;
begin
	select * into strict d from device where dev = p_dev for no key update;
	if d.standing = p_standing then
		return;
	end if;
	update device set standing = p_standing, reason = p_reason,
		former_standing = case
			when p_standing not in ('limited', 'blocked') then null
			when d.standing in ('limited', 'blocked') then d.former_standing
			else d.standing end
	where dev = p_dev;
	insert into event (dev, request, kind, actor, from_state, to_state, reason, detail)
	values (p_dev, p_request, 'standing', p_actor, d.standing, p_standing, p_reason, coalesce(p_detail, '{}'));
end
$$;

-- Store what an authentication found: once per session, and not more often per hour than the setting allows, because a
-- stranger with a valid certificate can open as many sessions as it likes.
create function authentication_event(p_dev text, p_sid bytea, p_kind text, p_reason text, p_detail jsonb) returns void
language plpgsql set search_path = provbox, pg_temp as $$
begin
	if (select count(*) from event where dev = p_dev and request is null and kind = p_kind
			and at > clock_timestamp() - interval '1 hour') >= setting_int('authentication_events_per_hour') then
		return;
	end if;
	insert into event (dev, kind, actor, reason, detail, sid)
	values (p_dev, p_kind, 'server', p_reason, p_detail, p_sid)
	on conflict (sid, kind) where sid is not null do nothing;
end
$$;

-- Credentials ---------------------------------------------------------------------------------------------------

-- Sessions of devices without a pinned credential, as gateways name them, and what each has shown. Nobody misses these
-- rows after a crash: every session authenticates again.
create unlogged table live_credential (
	gw bytea not null check (length(gw) = 32),
	sid bytea not null check (length(sid) = 16),
	dev text not null,
	cred bytea not null check (length(cred) = 32),
	seen timestamptz not null default clock_timestamp(),
	primary key (gw, sid)
);
create index live_credential_dev on live_credential (dev);
create index live_credential_seen on live_credential (seen);

create function credential_is_live(p_row live_credential) returns boolean
language sql stable set search_path = provbox, pg_temp as $$
	select p_row.seen > clock_timestamp() - setting_interval('credential_life')
$$;

-- Count the credential of a session as live; false when another one of the device is, too. Of two sessions that come at
-- the same time the second waits here, and sees the first.
create function credential_is_single(p_dev text, p_cred bytea, p_gw bytea, p_sid bytea) returns boolean
language plpgsql set search_path = provbox, pg_temp as $$
begin
	perform pg_advisory_xact_lock(hashtext('provbox.live_credential'), hashtext(p_dev));
	insert into live_credential (gw, sid, dev, cred) values (p_gw, p_sid, p_dev, p_cred)
	on conflict (gw, sid) do update set (dev, cred, seen) = (excluded.dev, excluded.cred, excluded.seen);
	return not exists (
		select from live_credential l where l.dev = p_dev and l.cred <> p_cred and credential_is_live(l));
end
$$;

-- Two credentials of a device are live: do to it what the policy says, and forget both, so that what comes next is
-- judged anew. A rule never raises a standing.
create function clone_stop(p_dev text, p_sid bytea) returns device
language plpgsql set search_path = provbox, pg_temp as $$
declare
	d device;
	rule text := (select outcome from policy where subject = 'device' and reason = 'device_clone');
	detail jsonb;
begin
	select * into strict d from device where dev = p_dev for no key update;
	select jsonb_build_object('outcome', rule, 'credentials', jsonb_agg(
		jsonb_build_object('cred', hex(cred), 'gw', hex(gw), 'seen', rfc3339(seen)) order by seen))
	into detail from (
		select distinct on (l.cred) l.* from live_credential l
		where l.dev = p_dev and credential_is_live(l) order by l.cred, l.seen desc) last;
	perform authentication_event(p_dev, p_sid, 'clone', 'device_clone', detail);
	if d.standing in ('active', 'unprovisioned') or rule = 'prevent' then
		perform standing_move(p_dev, case rule when 'limited' then 'limited' when 'register' then 'unprovisioned'
			else 'blocked' end, null, 'server', 'device_clone', detail);
	end if;
	delete from live_credential where dev = p_dev;
	select * into strict d from device where dev = p_dev;
	return d;
end
$$;

-- For an operator's eyes: what is live of a device, or what was when it was found cloned; the last one last.
create function credentials_seen(p_device device) returns text[]
language sql stable set search_path = provbox, pg_temp as $$
	select coalesce(array_agg(cred || ' ' || seen order by seen), '{}') from (
		select hex(l.cred) as cred, rfc3339(max(l.seen)) as seen from live_credential l
		where l.dev = p_device.dev and credential_is_live(l) group by l.cred
		union all
		select c ->> 'cred', c ->> 'seen' from jsonb_array_elements(case p_device.reason when 'device_clone' then (
			select detail -> 'credentials' from event where dev = p_device.dev and request is null and kind = 'clone'
			order by id desc limit 1) end) c) s
$$;

-- Authentication ------------------------------------------------------------------------------------------------

-- Make a row for a device that nobody imported, because the policy says so.
create function device_register(p_dev text, p_sid bytea) returns device
language plpgsql set search_path = provbox, pg_temp as $$
declare
	d device;
begin
	insert into device (dev) values (p_dev) on conflict do nothing;
	if found then
		insert into event (dev, kind, actor, to_state, reason, sid)
		values (p_dev, 'registered', 'server', 'unprovisioned', 'device_registered', p_sid)
		on conflict (sid, kind) where sid is not null do nothing;
	end if;
	select * into strict d from device where dev = p_dev;
	return d;
end
$$;

create function authentication_refused(p_dev text, p_sid bytea, p_reason text, p_method text, p_cred bytea, p_gw bytea)
returns void
language plpgsql set search_path = provbox, pg_temp as $$
begin
	perform authentication_event(p_dev, p_sid, 'authentication_refused', p_reason,
		jsonb_build_object('method', p_method, 'cred', hex(p_cred), 'gw', hex(p_gw)));
end
$$;

-- Standing, epoch and whether a grant may be given, for a device that the gateway has authenticated.
-- The credential must be the pinned one where one is pinned; a device with another one is treated as blocked. Where none
-- is pinned it must be the only one that is live.
create function authentication_read(p_dev text, p_cred bytea, p_method text, p_gw bytea, p_sid bytea,
	out standing text, out epoch bigint, out outcome text, out reason text)
language plpgsql security definer set search_path = provbox, pg_temp as $$
#variable_conflict use_column
declare
	d device;
	rule policy;
begin
	outcome := 'grant';
	select * into d from device where dev = p_dev;
	if not found then
		select * into rule from policy p where p.subject = 'device' and p.reason = 'device_unknown';
		if rule.outcome = 'register' then
			d := device_register(p_dev, p_sid);
		else
			standing := case rule.outcome when 'limited' then 'limited' else 'unknown' end;
			epoch := rule.epoch;
			if standing = 'unknown' then
				outcome := 'no_grant';
				reason := 'device_unknown';
				perform authentication_refused(p_dev, p_sid, reason, p_method, p_cred, p_gw);
			end if;
			return;
		end if;
	end if;
	if d.standing = 'blocked' then
		reason := 'device_blocked';
	elsif d.cred <> p_cred then
		d.standing := 'blocked';
		reason := 'credential_mismatch';
	elsif d.cred is null and not credential_is_single(p_dev, p_cred, p_gw, p_sid) then
		d := clone_stop(p_dev, p_sid);
		reason := case d.standing when 'blocked' then 'device_clone' end;
	end if;
	standing := d.standing;
	epoch := d.epoch;
	if reason is not null then
		outcome := 'no_grant';
		perform authentication_refused(p_dev, p_sid, reason, p_method, p_cred, p_gw);
	end if;
end
$$;

-- Store how a session ended; true when this sid had no end before. Its credential is no longer live for its sake.
create function session_end(p_sid bytea, p_dev text, p_method text, p_cred bytea, p_gw bytea, p_reason text)
returns boolean
language plpgsql security definer set search_path = provbox, pg_temp as $$
begin
	delete from live_credential where gw = p_gw and sid = p_sid;
	insert into event (dev, kind, actor, reason, detail, sid)
	values (p_dev, 'session_end', 'gateway', reason_known(p_reason), jsonb_build_object('method', p_method,
		'cred', hex(p_cred), 'gw', hex(p_gw), 'reason', left(p_reason, 100)), p_sid)
	on conflict (sid, kind) where sid is not null do nothing;
	return found;
end
$$;

-- The gate of the device API ------------------------------------------------------------------------------------

-- retry_s: after how many seconds what was refused may be let through; null when no time is known.
create type api_result as (status int, reason text, etag text, body text, retry_s int);

create function api_refusal(p_status int, p_reason text, p_retry_s int default null) returns api_result
language sql immutable as $$
	select (p_status, p_reason, null, null, p_retry_s)::api_result
$$;

create function api_answer(p_status int, p_etag text, p_body jsonb) returns api_result
language sql immutable as $$
	select (p_status, null, p_etag, p_body::text, null)::api_result
$$;

-- May this device do what the permission names? Null when it may, else the refusal. Every function of the device API
-- asks here first, so that there is one order: there, not blocked, grant not outdated, permission.
create function device_gate(p_dev text, p_epoch bigint, p_permission text) returns api_result
language plpgsql stable set search_path = provbox, pg_temp as $$
declare
	now_standing text;
	now_epoch bigint;
begin
	select standing, epoch into now_standing, now_epoch from device where dev = p_dev;
	if not found then
		select case outcome when 'limited' then 'limited' else 'unknown' end, epoch
		into now_standing, now_epoch
		from policy where subject = 'device' and reason = 'device_unknown';
	end if;
	if now_standing = 'unknown' then
		return api_refusal(403, 'device_unknown');
	elsif now_standing = 'blocked' then
		return api_refusal(403, 'device_blocked');
	elsif now_epoch is distinct from p_epoch then
		return api_refusal(401, 'grant_epoch');
	elsif p_permission = 'care' or now_standing in ('active', 'unprovisioned') then
		return null;
	end if;
	return api_refusal(403, 'standing_limited');
end
$$;
