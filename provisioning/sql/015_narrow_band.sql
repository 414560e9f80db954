-- Whom notices may reach, and when: settings of the narrow band, the STOP list, texts with secrets.
set local search_path = provbox, pg_temp;

insert into setting (key, kind, shape, value, meaning) values
('notice_lifetime', 'interval', '1 minute', '24 hours', 'how long a notice is of use; terms are as long as their offer'),
('link_failover', 'interval', '5 seconds', '30 seconds', 'a link that was not there for so long gives its numbers to the others'),
('quiet_hours', 'text', '^(none|([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9])$', 'none',
	'when notices of quiet_kinds wait, as 21:00-07:30; or none'),
('quiet_zone', 'text', '^[A-Za-z][A-Za-z0-9_+/-]{1,40}$', 'UTC', 'time zone of quiet_hours, as Europe/London'),
('quiet_kinds', 'text', '^(none|(terms|accepted|status|reply|access)(,(terms|accepted|status|reply|access))*)$', 'status',
	'kinds of notices that wait in quiet hours'),
('stop_kinds', 'text', '^(none|(status|access)(,(status|access))*)$', 'status',
	'kinds of notices that numbers on the STOP list do not get');

insert into reason (code, meaning, advice) values
('notice_expired', 'The notice could not be sent while it was of use.', 'See why the link was away, and notice_lifetime.'),
('notice_not_needed', 'The terms were answered, or the request had ended, before their message was sent.', 'Nothing to do.'),
('number_stopped', 'The subscriber or an operator put the number on the STOP list.', 'Nothing; "provctl number allow" takes it off.'),
('number_allowed', 'The subscriber or an operator took the number off the STOP list.', 'Nothing to do.'),
('quiet_hours', 'The notice waits for the end of the quiet hours.', 'Nothing to do; see quiet_hours and quiet_kinds.'),
('seal_failed', 'The sealed text of a notice could not be opened.', 'Compare seal_key_file of provctl and of provbox-smsc; send the text again.');

-- A zone that PostgreSQL does not know would fail every lease.
create function setting_check_zone() returns trigger
language plpgsql set search_path = provbox, pg_temp as $$
begin
	if not exists (select from pg_timezone_names where name = new.value) then
		raise 'no such time zone: %; write like Europe/London', new.value using errcode = '22023';
	end if;
	return new;
end
$$;
create trigger setting_zone before update on setting for each row when (new.key = 'quiet_zone')
	execute function setting_check_zone();

-- The STOP list -------------------------------------------------------------------------------------------------

create table number_stop (
	msisdn text primary key,
	since timestamptz not null default clock_timestamp(),
	actor text not null
);

create function is_stopped(p_msisdn text, p_kind text) returns boolean
language plpgsql stable set search_path = provbox, pg_temp as $$
begin
	return exists (select from number_stop where msisdn = p_msisdn) and is_kind_in('stop_kinds', p_kind);
end
$$;

-- Put a number on the list or take it off; tells each device of the number. Returns false when nothing changed.
create function number_move(p_msisdn text, p_is_stopped boolean, p_actor text, p_detail jsonb) returns boolean
language plpgsql set search_path = provbox, pg_temp as $$
begin
	if p_is_stopped then
		insert into number_stop (msisdn, actor) values (p_msisdn, p_actor) on conflict do nothing;
	else
		delete from number_stop where msisdn = p_msisdn;
	end if;
	if not found then
		return false;
	end if;
	insert into event (dev, kind, actor, reason, detail)
	select d.dev, 'number', p_actor, case when p_is_stopped then 'number_stopped' else 'number_allowed' end,
		jsonb_strip_nulls(coalesce(p_detail, '{}') || jsonb_build_object('number', masked(p_msisdn)))
	from (select null) here left join device d on d.msisdn = p_msisdn;
	return true;
end
$$;

-- A subscriber said STOP or START. Only numbers that we know count and are answered; one that is on the list, or off
-- it, already gets no second answer, so that two machines do not talk to each other for ever.
create function number_say(p_mo mo, p_answer text) returns text
language plpgsql set search_path = provbox, pg_temp as $$
declare
	outcome text := case p_answer when 'stop' then 'stopped' else 'started' end;
	wanted text := coalesce(
		(select language from notice where msisdn = p_mo.sender order by created desc limit 1),
		(select language from device where msisdn = p_mo.sender order by dev limit 1),
		(select language from answer_word where word = split_part(folded(p_mo.text), ' ', 1)));
begin
	if not exists (select from device where msisdn = p_mo.sender)
			and not exists (select from notice where msisdn = p_mo.sender) then
		return 'no_offer';
	end if;
	if number_move(p_mo.sender, p_answer = 'stop', 'subscriber', jsonb_build_object('message', p_mo.id)) then
		perform notice_put(null, p_mo.sender, 'reply', template_language(outcome, wanted),
			template_text(outcome, wanted));
	end if;
	return outcome;
end
$$;

create function number_check(p_msisdn text) returns void
language plpgsql immutable set search_path = provbox, pg_temp as $$
begin
	if p_msisdn !~ '^\+[1-9][0-9]{6,14}$' then
		raise 'a number is + and 7 to 15 digits: %', left(p_msisdn, 40) using errcode = '22023';
	end if;
end
$$;

-- For the operator: true when it changed the list. Raises 22023 for what is no number.
create function number_stop_put(p_msisdn text, p_note text) returns boolean
language plpgsql security definer set search_path = provbox, pg_temp as $$
begin
	perform number_check(p_msisdn);
	return number_move(p_msisdn, true, 'operator', jsonb_build_object('note', left(p_note, 200)));
end
$$;

create function number_stop_drop(p_msisdn text, p_note text) returns boolean
language plpgsql security definer set search_path = provbox, pg_temp as $$
begin
	perform number_check(p_msisdn);
	return number_move(p_msisdn, false, 'operator', jsonb_build_object('note', left(p_note, 200)));
end
$$;

-- Who is on the list, newest first. A whole number is looked up, never shown.
create function number_stop_list(p_msisdn text) returns table (number text, since timestamptz, actor text)
language plpgsql stable security definer set search_path = provbox, pg_temp as $$
#variable_conflict use_column
begin
	return query select masked(s.msisdn), s.since, s.actor from number_stop s
		where p_msisdn is null or s.msisdn = p_msisdn order by s.since desc, s.msisdn;
end
$$;

-- Whether and when -----------------------------------------------------------------------------------------------

-- Quiet hours: until when they last now, by the wall clock of quiet_zone; null when it is not quiet. Where clocks are
-- put forward, a time that does not exist is the one an hour later.
create function quiet_until(p_now timestamptz) returns timestamptz
language plpgsql stable set search_path = provbox, pg_temp as $$
declare
	hours text[] := string_to_array(setting_text('quiet_hours'), '-');
	zone text := setting_text('quiet_zone');
	here timestamp := p_now at time zone zone;
	from_time time;
	to_time time;
begin
	if cardinality(hours) <> 2 then
		return null;
	end if;
	from_time := hours[1];
	to_time := hours[2];
	if from_time <= to_time and here::time >= from_time and here::time < to_time
			or from_time > to_time and here::time < to_time then
		return (here::date + to_time) at time zone zone;
	elsif from_time > to_time and here::time >= from_time then
		return (here::date + 1 + to_time) at time zone zone;
	end if;
	return null;
end
$$;

-- Which of these notices should not be sent now, and why not; outbox and notice then say so.
create function notices_hindered(p_notices bigint[]) returns table (notice bigint, hindrance text)
language plpgsql stable set search_path = provbox, pg_temp as $$
declare
	stop_kinds text[] := string_to_array(setting_text('stop_kinds'), ',');
	quiet_kinds text[] := string_to_array(setting_text('quiet_kinds'), ',');
	is_quiet boolean := quiet_until(clock_timestamp()) is not null;
begin
	return query
		select * from (
			select n.id, case
				when n.useful_until <= clock_timestamp() then 'notice_expired'
				when n.kind = 'terms' and (select r.state from request r where r.rid = n.request) <> 'offered' then
					'notice_not_needed'
				when n.kind = any (stop_kinds) and is_stopped(n.msisdn, n.kind) then 'number_stopped'
				when is_quiet and n.state = 'queued' and n.kind = any (quiet_kinds) then 'quiet_hours'
			end as found
			from notice n where n.id = any (p_notices)
		) n where n.found is not null;
end
$$;

-- Do with a due notice what its hindrance demands: let it wait for the end of the quiet hours, or end it.
create function notice_hinder(p_notice notice, p_reason text) returns void
language plpgsql set search_path = provbox, pg_temp as $$
declare
	quiet_end timestamptz := quiet_until(clock_timestamp());
begin
	if p_reason = 'quiet_hours' then
		update outbox set due_at = least(coalesce(quiet_end, clock_timestamp()), p_notice.useful_until)
		where notice = p_notice.id;
		perform event_put(p_notice.dev, p_notice.request, 'notice_waits', 'smsc', p_reason, jsonb_build_object(
			'notice', p_notice.id, 'notice_kind', p_notice.kind, 'until', rfc3339(quiet_end)));
		return;
	end if;
	perform notice_end(p_notice.id, case p_reason when 'number_stopped' then 'stopped' else 'expired' end, 'smsc',
		p_reason);
end
$$;

-- Texts with secrets ----------------------------------------------------------------------------------------------
-- Whoever writes one seals it with a key that the database does not have, for this notice and this number
-- (base/seal.h); provbox-smsc opens it when it sends. The text itself is nowhere in the database.

-- Make a notice whose sealed text is still to come; it is not sent before. Returns no row for a device that there is
-- not. Raises 22023 when the number has had too many messages.
create function notice_begin(p_dev text) returns table (notice bigint, number_sha256 text)
language plpgsql security definer set search_path = provbox, pg_temp as $$
#variable_conflict use_column
declare
	d device;
begin
	select * into d from device where dev = p_dev;
	if d.msisdn is null then
		return;
	elsif not is_message_allowed(d.msisdn) then
		raise 'too many messages for this number within an hour' using errcode = '22023';
	end if;
	insert into notice (dev, msisdn, kind, language, concat_ref, useful_until)
	values (d.dev, d.msisdn, 'access', coalesce(d.language, 'en'), next_ref(d.msisdn),
		clock_timestamp() + setting_interval('notice_lifetime'))
	returning id, hex(sha256(convert_to(msisdn, 'UTF8'))) into notice, number_sha256;
	return next;
end
$$;

-- Give such a notice its text, and send it. Returns its state; null: there is none that waits for a text.
create function notice_seal(p_notice bigint, p_sealed bytea) returns text
language plpgsql security definer set search_path = provbox, pg_temp as $$
declare
	n notice;
begin
	select * into n from notice where id = p_notice and kind = 'access' and sealed_sha256 is null
		and msisdn is not null -- else its subscriber was erased since
	for update;
	if not found then
		return null;
	end if;
	perform notice_queue(n);
	update notice set sealed = case state when 'queued' then p_sealed end, sealed_sha256 = sha256(p_sealed)
	where id = n.id returning * into n;
	return n.state;
end
$$;

-- When the work on a notice ends, however it ends, its secret goes.
create function notice_wipe() returns trigger
language plpgsql set search_path = provbox, pg_temp as $$
begin
	update notice set sealed = null where id = new.notice and sealed is not null;
	return null;
end
$$;
create trigger outbox_wipe after update of state on outbox for each row
	when (old.state = 'due' and new.state <> 'due' and new.is_secret)
	execute function notice_wipe();

grant execute on function number_stop_put, number_stop_drop, number_stop_list, notice_begin, notice_seal
	to provbox_operator;
