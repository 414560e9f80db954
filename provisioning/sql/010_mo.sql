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

-- May answers from this link and to this number count?
create function is_mo_allowed(p_receiver text, p_smsc_id text) returns boolean
language plpgsql stable set search_path = provbox, pg_temp as $$
begin
	return coalesce(ltrim(p_receiver, '+') = ltrim(setting_text('short_code'), '+')
		and (setting_text('mo_smsc_ids') = '*' or p_smsc_id = any (string_to_array(setting_text('mo_smsc_ids'), ','))),
		false);
end
$$;

-- Note on every open offer of the number that an answer did not count, and why.
create function offers_note(p_rids bigint[], p_mo text, p_reason text) returns void
language plpgsql set search_path = provbox, pg_temp as $$
begin
	perform event_put(dev, rid, 'answer_refused', 'subscriber', p_reason, jsonb_build_object('message', p_mo))
	from request where rid = any (p_rids) order by rid;
end
$$;

-- A wrong code counts against every open offer of the number, because it cannot be known which was meant.
create function wrong_code_count(p_rids bigint[], p_mo text) returns boolean
language plpgsql set search_path = provbox, pg_temp as $$
declare
	o offer;
	is_ended boolean := false;
begin
	perform offers_note(p_rids, p_mo, 'mo_wrong_code');
	for o in update offer set wrong_codes = wrong_codes + 1 where request = any (p_rids) returning * loop
		if o.wrong_codes >= setting_int('wrong_codes') then
			perform request_move(o.request, 'refuse', 'subscriber', 'too_many_wrong_codes',
				jsonb_build_object('message', p_mo));
			is_ended := true;
		end if;
	end loop;
	return is_ended;
end
$$;

-- A message that lists the codes of the open offers, at most ten.
create function code_list_text(p_rids bigint[], p_language text) returns text
language plpgsql stable set search_path = provbox, pg_temp as $$
begin
	return (
		select replace(template_text('code_list', p_language), '{offers}',
			string_agg(E'\n' || left(coalesce(item_names(o.request, '{requested}'), ''), 40) || ': '
				|| answer_line(p_language, o.code), '' order by o.request))
		from (select * from offer where request = any (p_rids) order by request limit 10) o
	);
end
$$;

-- Decide what a message means for the open offers of its sender, and do it. The requests are locked by the caller.
create function mo_judge(p_mo mo, p_rids bigint[], out outcome text, out rid bigint)
language plpgsql set search_path = provbox, pg_temp as $$
#variable_conflict use_column
declare
	said record;
	o offer;
	reply_language text;
begin
	if p_rids = '{}' then
		outcome := 'no_offer';
		return;
	end if;
	select language into reply_language from offer where request = p_rids[1];
	said := mo_parse(p_mo.text);
	if said.answer is null then
		outcome := 'not_understood';
		perform offers_note(p_rids, p_mo.id, 'mo_not_understood');
		perform notice_put(p_rids[1], p_mo.sender, 'reply', reply_language, code_list_text(p_rids, reply_language));
	elsif said.code is null and cardinality(p_rids) > 1 then
		outcome := 'code_needed';
		perform offers_note(p_rids, p_mo.id, 'mo_code_needed');
		perform notice_put(p_rids[1], p_mo.sender, 'reply', reply_language, code_list_text(p_rids, reply_language));
	else
		select * into o from offer where request = any (p_rids) and (said.code is null or code = said.code);
		if not found then
			outcome := case when wrong_code_count(p_rids, p_mo.id) then 'offer_ended' else 'wrong_code' end;
			perform notice_put(p_rids[1], p_mo.sender, 'reply', reply_language,
				template_text('wrong_code', reply_language));
		elsif o.acked is null then
			outcome := 'too_early';
			rid := o.request;
			perform offers_note(array[o.request], p_mo.id, 'mo_too_early');
		else
			outcome := case said.answer when 'accept' then 'accepted' else 'declined' end;
			rid := o.request;
			perform offer_answer(o.request, said.answer, 'subscriber', 'narrow_band', jsonb_build_object(
				'number', p_mo.sender, 'message', p_mo.id, 'smsc', p_mo.smsc_id));
		end if;
	end if;
end
$$;

-- Take a message from a handset, once per id. Only offers that are open and not over count; strangers get no reply.
create function mo_receive(p_id text, p_sender text, p_receiver text, p_smsc_id text, p_text text,
	out outcome text, out request uuid)
language plpgsql security definer set search_path = provbox, pg_temp as $$
#variable_conflict use_column
declare
	message mo;
	rids bigint[];
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
	elsif (select count(*) from mo m where m.sender = message.sender
			and m.received > clock_timestamp() - interval '1 hour') > setting_int('messages_per_hour') then
		outcome := 'too_many';
	else
		select array_agg(x.rid) into rids from (
			select r.rid from request r join offer o on o.request = r.rid
			where o.msisdn = message.sender and o.is_open order by r.rid for update of r) x;
		-- Again, as they are now that they are locked; an offer made meanwhile is not, and cannot be meant.
		select coalesce(array_agg(o.request order by o.request), '{}') into rids from offer o
		where o.request = any (rids) and o.is_open and o.expires > clock_timestamp();
		select j.outcome, j.rid into outcome, answered from mo_judge(message, rids) j;
		select r.id into request from request r where r.rid = answered;
	end if;
	update mo m set outcome = mo_receive.outcome, request = mo_receive.request where m.id = p_id;
end
$$;
