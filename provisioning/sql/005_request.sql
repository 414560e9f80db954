-- The provisioning request: its states, its items, and the two functions that move them.
set local search_path = provbox, pg_temp;

create table request_state (
	state text primary key,
	is_open boolean not null
);
insert into request_state values
('received', true), ('verifying', true), ('offered', true), ('accepted', true), ('delivering', true),
('done', false), ('declined', false), ('refused', false), ('failed', false), ('expired', false),
('cancelled', false);

create table request_transition (
	from_state text references request_state,
	event text,
	to_state text not null references request_state,
	primary key (from_state, event)
);
insert into request_transition values
('received', 'verify', 'verifying'),
('received', 'offer', 'offered'),
('received', 'refuse', 'refused'),
('received', 'cancel', 'cancelled'),
('verifying', 'offer', 'offered'),
('verifying', 'refuse', 'refused'),
('verifying', 'fail', 'failed'),
('verifying', 'expire', 'expired'),
('verifying', 'cancel', 'cancelled'),
('offered', 'accept', 'accepted'),
('offered', 'decline', 'declined'),
('offered', 'expire', 'expired'),
('offered', 'refuse', 'refused'),
('offered', 'cancel', 'cancelled'),
('accepted', 'deliver', 'delivering'),
('accepted', 'fail', 'failed'),
('accepted', 'cancel', 'cancelled'),
('delivering', 'retransmit', 'delivering'),
('delivering', 'complete', 'done'),
('delivering', 'fail', 'failed'),
('delivering', 'cancel', 'cancelled');

create table item_state (
	state text primary key,
	is_open boolean not null
);
insert into item_state values
('requested', true), ('ready', true), ('delivering', true),
('installed', false), ('unavailable', false), ('conflict', false), ('failed', false);

create table item_transition (
	from_state text references item_state,
	event text,
	to_state text not null references item_state,
	primary key (from_state, event)
);
insert into item_transition values
('requested', 'ready', 'ready'),
('requested', 'leave_out', 'unavailable'),
('requested', 'clash', 'conflict'),
('requested', 'drop', 'failed'),
('ready', 'fetch', 'delivering'),
('ready', 'install', 'installed'),
('ready', 'fail', 'failed'),
('ready', 'drop', 'failed'),
('delivering', 'install', 'installed'),
('delivering', 'fail', 'failed'),
('delivering', 'drop', 'failed');

-- rid is ours; id is the device's and unique for it alone. revision counts everything that a reader can see change. told
-- is when the subscriber was last told that it is worked on.
create table request (
	rid bigint generated always as identity primary key,
	dev text not null references device,
	id uuid not null,
	body_sha256 bytea not null check (length(body_sha256) = 32),
	body jsonb not null,
	catalogue int not null references catalogue,
	state text not null default 'received' references request_state,
	reason text references reason,
	revision int not null default 1,
	created timestamptz not null default clock_timestamp(),
	changed timestamptz not null default clock_timestamp(),
	told timestamptz not null default clock_timestamp(),
	unique (dev, id)
) with (fillfactor = 60); -- each changes many times, no column of an index but state: room for that beside it
create index request_created on request (dev, created);
create index request_open on request (state)
	where state in ('received', 'verifying', 'offered', 'accepted', 'delivering');

-- content is null for what the catalogue does not have. retransmissions counts how often the device asked for it again.
create table item (
	request bigint not null references request,
	feature text not null check (length(feature) between 1 and 64),
	position int not null,
	state text not null default 'requested' references item_state,
	reason text references reason,
	kind text,
	name text,
	version text,
	content bytea references content,
	installed_version text check (length(installed_version) <= 100),
	retransmissions int not null default 0,
	changed timestamptz not null default clock_timestamp(),
	primary key (request, feature)
);

-- The offer of terms: is_open as long as the request is offered, and it has its number until the subscriber is erased.
create table offer (
	request bigint primary key references request,
	msisdn text,
	code text not null check (code ~ '^[0-9]{4}$'),
	catalogue int not null,
	language text not null,
	made timestamptz not null default clock_timestamp(),
	expires timestamptz not null,
	is_open boolean not null default true,
	wrong_codes int not null default 0,
	foreign key (catalogue, language) references terms
);
create unique index offer_code on offer (msisdn, code) where is_open;
create index offer_expires on offer (expires) where is_open;
create index offer_msisdn on offer (msisdn, made);

-- The legal record: who answered which text, when, how and from where. Never deleted, and neither are the terms that it
-- names; never changed, but that an erasure takes number and words out of the source. source has the session of the wide band, or the message of the narrow band.
create table acceptance (
	request bigint primary key references request,
	answer text not null check (answer in ('accept', 'decline')),
	catalogue int not null,
	language text not null,
	terms_version text not null,
	terms_sha256 bytea not null,
	at timestamptz not null default clock_timestamp(),
	channel text not null check (channel in ('wide_band', 'narrow_band')),
	how text not null check (how in ('online', 'code', 'bare')),
	source jsonb not null,
	foreign key (catalogue, language) references terms,
	check ((channel = 'wide_band') = (how = 'online'))
);

-- The head of the keys under which effects of a request leave: the same whenever the device asks for the same, and
-- never that of another request. Numbers of rows are neither, once a database has been restored. The digest tells two
-- devices apart that have drawn the same id, and names neither.
create function request_key(p_rid bigint) returns text
language plpgsql stable set search_path = provbox, pg_temp as $$
begin
	return (
		select 'request/' || id || '/' || left(hex(sha256(convert_to(dev || ' ' || id, 'UTF8'))), 16)
		from request where rid = p_rid
	);
end
$$;

create function on_record_change() returns trigger
language plpgsql set search_path = provbox, pg_temp as $$
begin
	if tg_table_name = 'acceptance' and tg_op = 'UPDATE' then
		if is_erased(old, new) then
			return new;
		end if;
	end if;
	raise 'rows of % are never changed', tg_table_name using errcode = 'PB003';
end
$$;
create trigger acceptance_update before update on acceptance for each row execute function on_record_change();
create trigger acceptance_change before delete or truncate on acceptance execute function on_record_change();
create trigger terms_change before update or delete or truncate on terms execute function on_record_change();

-- Note that a reader of the request would see something new.
create function request_touch(p_rid bigint) returns void
language plpgsql set search_path = provbox, pg_temp as $$
begin
	update request set revision = revision + 1, changed = clock_timestamp() where rid = p_rid;
end
$$;

-- The same for some, which it locks in their order.
create function requests_touch(p_rids bigint[]) returns void
language plpgsql set search_path = provbox, pg_temp as $$
begin
	update request r set revision = revision + 1, changed = clock_timestamp()
	from (select rid from request where rid = any (p_rids) order by rid for no key update) locked
	where r.rid = locked.rid;
end
$$;

-- Move an item by an event, or raise PB001. The only writer of item.state.
create function item_move(p_rid bigint, p_feature text, p_event text, p_actor text, p_reason text, p_detail jsonb)
returns text
language plpgsql set search_path = provbox, pg_temp as $$
declare
	i item;
	owner text;
	next_state text;
begin
	select * into strict i from item where request = p_rid and feature = p_feature for update;
	select to_state into next_state from item_transition where from_state = i.state and event = p_event;
	if not found then
		raise 'item % of request %: no % when %', p_feature, p_rid, p_event, i.state using errcode = 'PB001';
	end if;
	update item set state = next_state, reason = p_reason, changed = clock_timestamp()
	where request = p_rid and feature = p_feature;
	update request set revision = revision + 1, changed = clock_timestamp() where rid = p_rid returning dev into strict owner;
	insert into event (dev, request, item, kind, actor, from_state, to_state, reason, detail)
	values (owner, p_rid, p_feature, p_event, p_actor, i.state, next_state, p_reason, coalesce(p_detail, '{}'));
	return next_state;
end
$$;

-- Move a request by an event, or raise PB001. The only writer of request.state. A request that ends has its reason, and
-- drops the items that are still open; one that is not offered any more has no open offer.
create function request_move(p_rid bigint, p_event text, p_actor text, p_reason text, p_detail jsonb)
returns text
language plpgsql set search_path = provbox, pg_temp as $$
declare
	r request;
	next_state text;
	is_open_then boolean;
begin
	select * into strict r from request where rid = p_rid for update;
	select t.to_state, s.is_open into next_state, is_open_then
	from request_transition t join request_state s on s.state = t.to_state
	where t.from_state = r.state and t.event = p_event;
	if not found then
		raise 'request %: no % when %', p_rid, p_event, r.state using errcode = 'PB001';
	end if;
	update request set state = next_state, reason = case when not is_open_then then p_reason end,
		revision = revision + 1, changed = clock_timestamp()
	where rid = p_rid;
	insert into event (dev, request, kind, actor, from_state, to_state, reason, detail)
	values (r.dev, p_rid, p_event, p_actor, r.state, next_state, p_reason, coalesce(p_detail, '{}'));
	if r.state = 'offered' then
		update offer set is_open = false where request = p_rid;
	end if;
	if not is_open_then then
		perform item_move(p_rid, feature, 'drop', p_actor, 'request_ended', null)
		from item where request = p_rid and state in (select state from item_state where is_open);
	end if;
	return next_state;
end
$$;
