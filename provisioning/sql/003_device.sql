-- Devices, accounts, the policy for devices that are not there, and the events that tell every story.
set local search_path = provbox, pg_temp;

-- What happens to a device for a reason. The epoch counts changes, so that a grant given under an older rule is dead.
create table policy (
	subject text not null check (subject in ('device')),
	reason text not null references reason,
	outcome text not null check (outcome in ('prevent', 'limited', 'register')),
	epoch bigint not null default 1,
	primary key (subject, reason)
);
insert into policy (subject, reason, outcome) values ('device', 'device_unknown', 'prevent');

-- dev is the canonical URN (RFC 7254, RFC 8464). Number, model and subscriber are null only for a device that the
-- policy registered. cred pins the credential: the SHA-256 of the device's certificate.
create table device (
	dev text primary key check (dev ~ '^urn:(gsma:imei:[0-9]{8}-[0-9]{6}-0|device-id:meid:[0-9a-f]{14})$'),
	msisdn text check (msisdn ~ '^\+[1-9][0-9]{6,14}$'),
	model text check (length(model) between 1 and 100),
	firmware text check (length(firmware) <= 100),
	standing text not null default 'unprovisioned'
		check (standing in ('active', 'unprovisioned', 'limited', 'blocked')),
	epoch bigint not null default 1,
	cred bytea check (length(cred) = 32),
	language text not null default 'en' check (language ~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$'),
	given_name text check (length(given_name) <= 100),
	family_name text check (length(family_name) <= 100),
	postcode text check (length(postcode) <= 100),
	blocked_standing text,
	created timestamptz not null default clock_timestamp(),
	changed timestamptz not null default clock_timestamp()
);
create index device_msisdn on device (msisdn);

-- The epoch rises with every change of standing or credential, whoever makes it.
create function on_device_update() returns trigger
language plpgsql set search_path = provbox, pg_temp as $$
begin
	if (new.standing, new.cred) is distinct from (old.standing, old.cred) then
		new.epoch := old.epoch + 1;
	end if;
	new.changed := clock_timestamp();
	return new;
end
$$;
create trigger device_update before update on device for each row execute function on_device_update();

create function on_policy_update() returns trigger
language plpgsql set search_path = provbox, pg_temp as $$
begin
	new.epoch := old.epoch + 1;
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
create index event_dev on event (dev, id);
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
	old_standing text;
begin
	select standing into strict old_standing from device where dev = p_dev for no key update;
	if old_standing = p_standing then
		return;
	end if;
	update device set standing = p_standing,
		blocked_standing = case when p_standing = 'blocked' then old_standing end
	where dev = p_dev;
	insert into event (dev, request, kind, actor, from_state, to_state, reason, detail)
	values (p_dev, p_request, 'standing', p_actor, old_standing, p_standing, p_reason, coalesce(p_detail, '{}'));
end
$$;

-- Authentication ------------------------------------------------------------------------------------------------

-- Store that a device was refused: once per session, and not more often per hour than the setting allows, because a
-- stranger with a valid certificate can open as many sessions as it likes.
create function authentication_refused(p_dev text, p_sid bytea, p_reason text, p_detail jsonb) returns void
language plpgsql set search_path = provbox, pg_temp as $$
begin
	if (select count(*) from event where dev = p_dev and kind = 'authentication_refused'
			and at > clock_timestamp() - interval '1 hour') >= setting_int('authentication_events_per_hour') then
		return;
	end if;
	insert into event (dev, kind, actor, reason, detail, sid)
	values (p_dev, 'authentication_refused', 'server', p_reason, p_detail, p_sid)
	on conflict (sid, kind) where sid is not null do nothing;
end
$$;

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

-- Standing, epoch and whether a grant may be given, for a device that the gateway has authenticated.
-- The credential must be the pinned one where one is pinned; a device with another one is treated as blocked.
create function authentication_read(p_dev text, p_cred bytea, p_method text, p_gw bytea, p_sid bytea,
	out standing text, out epoch bigint, out outcome text, out reason text)
language plpgsql security definer set search_path = provbox, pg_temp as $$
#variable_conflict use_column
declare
	d device;
	rule policy;
	detail jsonb := jsonb_build_object('method', p_method, 'cred', hex(p_cred), 'gw', hex(p_gw));
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
				perform authentication_refused(p_dev, p_sid, reason, detail);
			end if;
			return;
		end if;
	end if;
	standing := d.standing;
	epoch := d.epoch;
	if d.standing = 'blocked' then
		reason := 'device_blocked';
	elsif d.cred <> p_cred then
		standing := 'blocked';
		reason := 'credential_mismatch';
	else
		return;
	end if;
	outcome := 'no_grant';
	perform authentication_refused(p_dev, p_sid, reason, detail);
end
$$;

-- Store how a session ended; true when this sid had no end before.
create function session_end(p_sid bytea, p_dev text, p_method text, p_cred bytea, p_gw bytea, p_reason text)
returns boolean
language plpgsql security definer set search_path = provbox, pg_temp as $$
begin
	insert into event (dev, kind, actor, reason, detail, sid)
	values (p_dev, 'session_end', 'gateway', reason_known(p_reason), jsonb_build_object('method', p_method,
		'cred', hex(p_cred), 'gw', hex(p_gw), 'reason', left(p_reason, 100)), p_sid)
	on conflict (sid, kind) where sid is not null do nothing;
	return found;
end
$$;

-- The gate of the device API ------------------------------------------------------------------------------------

create type api_result as (status int, reason text, etag text, body text);

create function api_refusal(p_status int, p_reason text) returns api_result
language sql immutable as $$
	select (p_status, p_reason, null, null)::api_result
$$;

create function api_answer(p_status int, p_etag text, p_body jsonb) returns api_result
language sql immutable as $$
	select (p_status, null, p_etag, p_body::text)::api_result
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
