-- Messages from handsets: the answer to an offer by SMS.
set local search_path = provbox, pg_temp;

create table mo (
	id text primary key check (length(id) between 1 and 100),
	received timestamptz not null default clock_timestamp(),
	sender text,
	receiver text,
	smsc_id text,
	text text not null,
	outcome text,
	request uuid
);
create index mo_sender on mo (sender, received);

-- A number as the SMSC gives it, in E.164; null for what is not a number.
create function msisdn_of(p_sender text) returns text
language sql immutable as $$
	select case when digits ~ '^[1-9][0-9]{6,14}$' then '+' || digits end
	from (select regexp_replace(p_sender, '^(\+|00)', '') as digits) x
$$;

-- Answer word and code of a message: "yes", "YES 4711", " Yes, 4711." Both null when it is no answer.
create function mo_parse(p_text text, out answer text, out code text)
language plpgsql stable set search_path = provbox, pg_temp as $$
#variable_conflict use_column
declare
	m text[] := regexp_match(folded(regexp_replace(p_text, '[.,;:!"'']', ' ', 'g')), '^([^0-9\s]+) ?([0-9]{0,10})$');
begin
	select w.answer, nullif(m[2], '') into answer, code from answer_word w where w.word = m[1];
end
$$;

-- Is this SMSC link one of those that a setting names? A message that names no link is on none.
create function is_smsc_listed(p_key text, p_smsc_id text) returns boolean
language plpgsql stable set search_path = provbox, pg_temp as $$
begin
	return coalesce(setting_text(p_key) = '*' or p_smsc_id = any (string_to_array(setting_text(p_key), ',')), false);
end
$$;

-- May answers from this link and to this number count?
create function is_mo_allowed(p_receiver text, p_smsc_id text) returns boolean
language plpgsql stable set search_path = provbox, pg_temp as $$
begin
	return coalesce(ltrim(p_receiver, '+') = ltrim(setting_text('short_code'), '+')
		and is_smsc_listed('mo_smsc_ids', p_smsc_id), false);
end
$$;

-- How many messages of a number had one of these outcomes within the last hour; null outcomes are all.
create function mo_count(p_sender text, p_outcomes text[]) returns bigint
language plpgsql stable set search_path = provbox, pg_temp as $$
begin
	return (
		select count(*) from mo where sender = p_sender and received > clock_timestamp() - interval '1 hour'
			and (p_outcomes is null or outcome = any (p_outcomes))
	);
end
$$;

-- Note that an answer did not count, and why: on the requests that it may have meant, else on the devices of its
-- number, else alone.
create function mo_note(p_mo mo, p_rids bigint[], p_reason text) returns void
language plpgsql set search_path = provbox, pg_temp as $$
declare
	detail jsonb := jsonb_strip_nulls(jsonb_build_object('message', p_mo.id, 'number', masked(p_mo.sender),
		'short_code', p_mo.receiver, 'smsc', p_mo.smsc_id));
begin
	perform event_put(dev, rid, 'answer_refused', 'subscriber', p_reason, detail)
	from request where rid = any (p_rids) order by rid;
	if not found then
		perform event_put(d.dev, null, 'answer_refused', 'subscriber', p_reason, detail)
		from (select p_mo.sender) m left join device d on d.msisdn = m.sender;
	end if;
end
$$;

-- Tell the sender what came of the answer, in the language of a request.
create function mo_reply(p_mo mo, p_rid bigint, p_template text) returns void
language plpgsql set search_path = provbox, pg_temp as $$
declare
	wanted text := request_language(p_rid);
begin
	perform notice_put(p_rid, p_mo.sender, 'reply', template_language(p_template, wanted),
		template_text(p_template, wanted));
end
$$;

-- Tell the sender the codes of the open offers, at most ten.
create function mo_reply_codes(p_mo mo, p_rids bigint[]) returns void
language plpgsql set search_path = provbox, pg_temp as $$
declare
	wanted text := request_language(p_rids[1]);
begin
	perform notice_put(p_rids[1], p_mo.sender, 'reply', template_language('code_list', wanted),
		replace(template_text('code_list', wanted), '{offers}',
			string_agg(E'\n' || left(coalesce(item_names(o.request, '{requested}'), ''), 40) || ': '
				|| answer_line(wanted, o.code), '' order by o.request)))
	from (select * from offer where request = any (p_rids) order by request limit 10) o;
end
$$;

-- A wrong code counts against every open offer of the number, because it cannot be known which was meant. True when
-- that ended one of them.
create function wrong_code_count(p_rids bigint[], p_mo mo) returns boolean
language plpgsql set search_path = provbox, pg_temp as $$
declare
	o offer;
	is_ended boolean := false;
begin
	perform mo_note(p_mo, p_rids, 'mo_wrong_code');
	for o in update offer set wrong_codes = wrong_codes + 1 where request = any (p_rids) returning * loop
		if o.wrong_codes >= setting_int('wrong_codes') then
			perform request_move(o.request, 'refuse', 'subscriber', 'too_many_wrong_codes',
				jsonb_build_object('message', p_mo.id));
			is_ended := true;
		end if;
	end loop;
	return is_ended;
end
$$;

-- The offer that an answer means, of these requests: of the open ones that with its code, or the only one where the link
-- may carry an answer without a code; else the last of those that have ended, so that its subscriber can be told what
-- became of it.
create function offer_meant(p_mo mo, p_rids bigint[], p_code text) returns offer
language plpgsql stable set search_path = provbox, pg_temp as $$
declare
	o offer;
	n_open bigint := (select count(*) from offer where request = any (p_rids) and is_open);
begin
	if p_code is not null or n_open = 1 and is_smsc_listed('bare_smsc_ids', p_mo.smsc_id) then
		select * into o from offer where request = any (p_rids) and is_open and (p_code is null or code = p_code);
	end if;
	if o.request is null and (p_code is not null or n_open = 0) then
		select * into o from offer where request = any (p_rids) and not is_open and (p_code is null or code = p_code)
		order by made desc limit 1;
	end if;
	return o;
end
$$;

-- An answer to an offer that has ended changes nothing, and its subscriber is told how it had ended.
create function mo_late(p_mo mo, p_rid bigint) returns text
language plpgsql set search_path = provbox, pg_temp as $$
declare
	given text := (select answer from acceptance where request = p_rid);
	outcome text := case when given is not null then 'answered'
		when (select state from request where rid = p_rid) = 'expired' then 'offer_expired' else 'offer_ended' end;
begin
	perform mo_note(p_mo, array[p_rid], 'mo_' || outcome);
	perform mo_reply(p_mo, p_rid, case given when 'accept' then 'accepted_before' when 'decline' then 'declined_before'
		else outcome end);
	return outcome;
end
$$;

-- Decide what a message means for the offers of its sender, and do it. The requests are locked by the caller.
create function mo_judge(p_mo mo, p_rids bigint[], p_answer text, p_code text, out outcome text, out rid bigint)
language plpgsql set search_path = provbox, pg_temp as $$
#variable_conflict use_column
declare
	open_rids bigint[] := (select coalesce(array_agg(request order by request), '{}') from offer
		where request = any (p_rids) and is_open);
	o offer;
begin
	if p_code is not null
			and mo_count(p_mo.sender, '{wrong_code,offer_ended}') >= setting_int('wrong_codes_per_hour') then
		outcome := 'too_many_codes';
		perform mo_note(p_mo, open_rids, 'mo_too_many_codes');
		return;
	end if;
	if p_answer is not null then
		o := offer_meant(p_mo, p_rids, p_code);
	end if;
	rid := o.request;
	if o.request is null and open_rids = '{}' then
		outcome := 'no_offer';
		perform mo_note(p_mo, '{}', 'mo_no_offer');
	elsif p_answer is null or o.request is null and p_code is null then
		outcome := case when p_answer is null then 'not_understood' else 'code_needed' end;
		perform mo_note(p_mo, open_rids, 'mo_' || outcome);
		perform mo_reply_codes(p_mo, open_rids);
	elsif o.request is null then
		outcome := case when wrong_code_count(open_rids, p_mo) then 'offer_ended' else 'wrong_code' end;
		perform mo_reply(p_mo, open_rids[1], case
			when exists (select from offer where request = any (open_rids) and is_open) then 'wrong_code'
			else 'offer_ended' end);
	elsif not o.is_open then
		outcome := mo_late(p_mo, o.request);
	elsif not exists (select from notice where request = o.request and kind = 'terms' and acked is not null) then
		outcome := 'too_early';
		perform mo_note(p_mo, array[o.request], 'mo_too_early');
	else
		outcome := case p_answer when 'accept' then 'accepted' else 'declined' end;
		perform offer_answer(o.request, p_answer, case when p_code is null then 'bare' else 'code' end,
			jsonb_build_object('number', p_mo.sender, 'message', p_mo.id, 'smsc', p_mo.smsc_id,
				'short_code', p_mo.receiver, 'said', left(p_mo.text, 200)));
	end if;
end
$$;

-- Lock the requests of a number's offers that an answer can mean: the open ones, and the last that has ended, with its
-- code where it has one. Those whose time is over end. An offer made meanwhile is not among them, and cannot be meant.
create function offers_lock(p_msisdn text, p_code text) returns bigint[]
language plpgsql set search_path = provbox, pg_temp as $$
declare
	locked bigint[];
begin
	select array_agg(x.rid) into locked from (
		select rid from request where rid in (
			select request from offer where msisdn = p_msisdn and is_open
			union all
			(select request from offer where msisdn = p_msisdn and not is_open and (p_code is null or code = p_code)
				and made > clock_timestamp() - setting_interval('answer_memory')
			order by made desc limit 1))
		order by rid for update) x;
	-- As they are now that they are locked: their subscriber may have been erased.
	locked := array(select request from offer where request = any (locked) and msisdn = p_msisdn order by request);
	perform request_expire(request, 'smsc') from offer
	where request = any (locked) and is_open and expires <= clock_timestamp();
	return locked;
end
$$;

-- Take a message from a handset, once per id.
create function mo_receive(p_id text, p_sender text, p_receiver text, p_smsc_id text, p_text text,
	out outcome text, out request uuid)
language plpgsql security definer set search_path = provbox, pg_temp as $$
#variable_conflict use_column
declare
	message mo;
	said record;
	answered bigint;
begin
	insert into mo (id, sender, receiver, smsc_id, text)
	values (p_id, coalesce(msisdn_of(p_sender), left(p_sender, 40)), left(p_receiver, 40), left(p_smsc_id, 100),
		left(p_text, 2000))
	on conflict (id) do nothing returning * into message;
	if not found then
		select m.outcome, m.request into outcome, request from mo m where m.id = p_id;
		return;
	end if;
	if not is_mo_allowed(p_receiver, p_smsc_id) or msisdn_of(p_sender) is null then
		outcome := 'not_allowed';
		if mo_count(message.sender, '{not_allowed}') < setting_int('messages_per_hour') then
			perform mo_note(message, (select array_agg(o.request) from offer o
				where o.msisdn = message.sender and o.is_open), 'mo_not_allowed');
		end if;
	elsif mo_count(message.sender, null) > setting_int('messages_per_hour') then
		outcome := 'too_many';
	else
		said := mo_parse(p_text);
		if said.answer in ('stop', 'start') then
			outcome := number_say(message, said.answer);
		else
			select j.outcome, j.rid into outcome, answered
			from mo_judge(message, offers_lock(message.sender, said.code), said.answer, said.code) j;
			select r.id into request from request r where r.rid = answered;
		end if;
	end if;
	update mo m set outcome = mo_receive.outcome, request = mo_receive.request where m.id = p_id;
end
$$;
