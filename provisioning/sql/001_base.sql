-- Schema, versions, settings, reason codes, and the small helpers that the rest stands on.

-- What is created here from now on can be executed by its owner only; rights are granted by name, in 013_rights.sql and
-- at the end of each later file.
alter default privileges revoke execute on functions from public;

create schema provbox;
set local search_path = provbox, pg_temp;
grant usage on schema provbox to provbox_server, provbox_smsc, provbox_operator;

create table schema_version (
	version int primary key check (version > 0),
	name text not null unique,
	sha256 bytea not null check (length(sha256) = 32),
	applied_at timestamptz not null default clock_timestamp()
);

-- What each role of the programs may call, as the last migration left it: where it is otherwise, somebody changed it.
create table role_right (
	role text,
	routine text,
	primary key (role, routine)
);

create function rights_read() returns table (role text, routine text)
language sql stable set search_path = provbox, pg_temp as $$
	select r.rolname, p.oid::regprocedure::text
	from pg_proc p cross join aclexplode(p.proacl) a join pg_roles r on r.oid = a.grantee
	where p.pronamespace = 'provbox'::regnamespace and a.privilege_type = 'EXECUTE'
		and r.rolname in ('provbox_server', 'provbox_smsc', 'provbox_operator')
$$;

-- Record a migration as applied, and the rights that there are now; the number is the head of its file name.
create function schema_record(p_name text, p_sha256 bytea) returns void
language sql set search_path = provbox, pg_temp as $$
	insert into schema_version (version, name, sha256)
	values (substring(p_name from '^[0-9]+')::int, p_name, p_sha256);
	delete from role_right;
	insert into role_right select * from rights_read();
$$;

create function schema_version_read() returns int
language sql stable security definer set search_path = provbox, pg_temp as $$
	select coalesce(max(version), 0) from schema_version
$$;

-- Whether a program that was made for version p_version can work on this schema: it does on its own and on later ones. A
-- migration that takes something away from older programs replaces this function.
create function schema_serves(p_version int) returns boolean
language sql stable security definer set search_path = provbox, pg_temp as $$
	select p_version <= schema_version_read()
$$;

create function schema_list()
returns table (version int, name text, sha256 text, applied_at timestamptz)
language sql stable security definer set search_path = provbox, pg_temp as $$
	select version, name, encode(sha256, 'hex'), applied_at from schema_version order by 1
$$;

-- Settings. `kind` is the type that readers cast the value to; `shape` is what a text must match, and the least that an
-- interval may be.
create table setting (
	key text primary key,
	kind text not null check (kind in ('interval', 'int', 'text')),
	shape text not null default '',
	value text not null,
	meaning text not null
);

insert into setting (key, kind, shape, value, meaning) values
('terms_lifetime', 'interval', '1 second', '7 days', 'how long an offer may be answered'),
('open_requests', 'int', '', '4', 'open requests per device'),
('requests_per_hour', 'int', '', '30', 'new requests per device and hour'),
('requests_per_number', 'int', '', '60', 'new requests of all devices of one number and hour'),
('messages_per_hour', 'int', '', '30', 'messages to, and from, one number and hour'),
('wrong_codes', 'int', '', '3', 'wrong codes that end an offer'),
('wrong_codes_per_hour', 'int', '', '10', 'wrong codes from one number and hour after which no code from it counts'),
('answer_memory', 'interval', '', '30 days', 'how long who answers an offer that has ended is told what became of it'),
('retransmissions', 'int', '', '3', 'how often a device may ask for the content of an item again'),
('status_interval', 'interval', '', '0 seconds', 'how often a subscriber is told that a request is still being worked on; 0 is never'),
('short_code', 'text', '^\+?[0-9]{2,15}$', '1234', 'sender of notices, to which answers must come'),
('mo_smsc_ids', 'text', '^(\*|[A-Za-z0-9_.-]+(,[A-Za-z0-9_.-]+)*)$', '*',
	'SMSC ids from which answers count, with commas between; * is any'),
('bare_smsc_ids', 'text', '^(\*|-|[A-Za-z0-9_.-]+(,[A-Za-z0-9_.-]+)*)$', '*',
	'SMSC ids, of those in mo_smsc_ids, from which an answer without a code counts; - is none'),
('notice_done', 'text', '^(accepted|delivered)$', 'accepted',
	'which report of the SMSC ends the work on a notice'),
('notice_retries', 'int', '', '0', 'further attempts at a notice after the SMSC failed a part'),
-- Nothing is not for ever here: each part would be sent over and over. Kannel counts validity in minutes.
('part_validity', 'interval', '1 minute', '1 hour', 'when a part without any report is sent again'),
('backoff_first', 'interval', '0.1 seconds', '1 second', 'wait after the first failure; doubles'),
('backoff_cap', 'interval', '1 second', '1 hour', 'longest wait between attempts'),
('give_up', 'interval', '', '24 hours', 'age at which a failing effect is dead'),
('credential_life', 'interval', '10 minutes', '10 minutes',
	'how long a credential is live after its last authentication; at least the life of a grant, 10 minutes'),
('authentication_events_per_hour', 'int', '', '20', 'refused authentications stored per device and hour'),
('billing_source', 'text', '^\S{1,200}$', 'https://provbox.example.com/', 'source of the CloudEvents'),
('billing_type_prefix', 'text', '^[a-z0-9.-]{1,100}$', 'com.example.provbox', 'head of the type of the CloudEvents');

create function setting_text(p_key text) returns text
language plpgsql stable set search_path = provbox, pg_temp as $$
begin
	return (select value from setting where key = p_key);
end
$$;

create function setting_int(p_key text) returns int
language plpgsql stable set search_path = provbox, pg_temp as $$
begin
	return (select value::int from setting where key = p_key);
end
$$;

create function setting_interval(p_key text) returns interval
language plpgsql stable set search_path = provbox, pg_temp as $$
begin
	return (select value::interval from setting where key = p_key);
end
$$;

create function setting_list() returns table (key text, value text, meaning text)
language sql stable security definer set search_path = provbox, pg_temp as $$
	select key, value, meaning from setting order by key
$$;

-- Change a setting. Raises 22023 for an unknown key and for a value of the wrong shape, type or size. An interval that a
-- time of ours cannot be put forward by would fail everything that reads it.
create function setting_put(p_key text, p_value text) returns void
language plpgsql security definer set search_path = provbox, pg_temp as $$
declare
	s setting;
	is_good boolean;
begin
	select * into s from setting where key = p_key for update;
	if not found then
		raise 'no such setting: %; see provctl setting list', p_key using errcode = '22023';
	end if;
	begin
		is_good := case s.kind
			when 'interval' then p_value::interval between coalesce(nullif(s.shape, ''), '0')::interval and interval '100 years'
			when 'int' then p_value::int >= 0
			else p_value ~ s.shape end;
	exception when data_exception then
		is_good := false;
	end;
	if is_good is not true then
		raise 'bad value for % (%: %): %', p_key, s.kind, s.meaning
			|| case when s.kind = 'interval' and s.shape <> '' then ', at least ' || s.shape else '' end, p_value
			|| case when s.kind = 'interval' then '; write like 90 seconds, 2 hours or 7 days' else '' end
			using errcode = '22023';
	end if;
	update setting set value = p_value where key = p_key;
end
$$;

-- Reason codes: each code that is stored in a row or answered to a device, in words, and what a person can do.
create table reason (
	code text primary key check (code ~ '^[a-z][a-z0-9_]{2,40}$'),
	meaning text not null,
	advice text not null
);

create function reason_list(p_code text) returns table (code text, meaning text, advice text)
language sql stable security definer set search_path = provbox, pg_temp as $$
	select code, meaning, advice from reason where p_code is null or code = p_code order by 1
$$;

-- The code itself when it is in the table, else reason_unlisted: reasons that come from other programs.
create function reason_known(p_code text) returns text
language plpgsql stable set search_path = provbox, pg_temp as $$
begin
	return (select coalesce((select code from reason where code = p_code), 'reason_unlisted'));
end
$$;

-- Lower case by Unicode rules whatever the locale of the database is, with spaces trimmed and collapsed.
create function folded(p_text text) returns text
language sql immutable as $$
	select lower(regexp_replace(btrim(p_text, E' \t\r\n'), '\s+', ' ', 'g') collate "und-x-icu")
$$;

-- A phone number for eyes that need not see it: country and the last three digits.
create function masked(p_msisdn text) returns text
language sql immutable as $$
	select left(p_msisdn, 3) || repeat('*', greatest(length(p_msisdn) - 6, 0)) || right(p_msisdn, 3)
$$;

-- An e-mail address likewise: the first letter, and where it is.
create function masked_email(p_address text) returns text
language sql immutable as $$
	select left(p_address, 1) || '***' || substring(p_address from '@.*$')
$$;

create function rfc3339(p_at timestamptz) returns text
language sql stable as $$
	select to_char(p_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;

create function hex(p_bytes bytea) returns text
language sql immutable as $$
	select encode(p_bytes, 'hex')
$$;
