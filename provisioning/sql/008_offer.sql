-- What happens in a request: verification, matching with the catalogue, the offer, the answer, the confirmation.
set local search_path = provbox, pg_temp;

-- What is on a device: the newest installation of each feature.
create view device_feature with (security_barrier) as
	select distinct on (r.dev, i.feature) r.dev, i.feature, coalesce(i.installed_version, i.version) as version,
		i.state, i.changed
	from request r cross join lateral ( -- from the requests of a device to their items, however small a table was planned for
		select * from item where request = r.rid and state = 'installed' offset 0) i
	order by r.dev, i.feature, i.changed desc;

-- The state of the request for the device, as doc/database.md describes it.
create function request_json(p_rid bigint) returns jsonb
language plpgsql stable set search_path = provbox, pg_temp as $$
begin
	return (
		select jsonb_strip_nulls(jsonb_build_object(
			'id', r.id, 'state', r.state, 'reason', r.reason, 'catalogue', r.catalogue,
			'created', rfc3339(r.created), 'changed', rfc3339(r.changed), 'expires', rfc3339(o.expires),
			'offer', case when o.request is not null then jsonb_build_object(
				'terms', jsonb_build_object('sha256', hex(t.sha256), 'version', t.version, 'language', t.language),
				'code_hint', right(o.code, 2),
				'notice', (select n.state from notice n where n.request = r.rid and n.kind = 'terms'
					order by n.id desc limit 1)) end,
			'items', coalesce((select jsonb_agg(jsonb_build_object(
					'id', i.feature, 'state', i.state, 'reason', i.reason, 'kind', i.kind, 'version', i.version,
					'content', content_json(i.content), 'retransmissions', nullif(i.retransmissions, 0))
					order by i.position)
				from item i where i.request = r.rid), '[]')))
		from request r
		left join offer o on o.request = r.rid
		left join terms t on t.catalogue = o.catalogue and t.language = o.language
		where r.rid = p_rid
	);
end
$$;

-- The language that the subscriber asked for; notices are in it, or in English. Terms have languages of their own.
create function request_language(p_rid bigint) returns text
language plpgsql stable set search_path = provbox, pg_temp as $$
begin
	return (select body #>> '{user,language}' from request where rid = p_rid);
end
$$;

create function request_answer(p_status int, p_rid bigint) returns api_result
language plpgsql stable set search_path = provbox, pg_temp as $$
begin
	return (select api_answer(p_status, format('"r%s"', revision), request_json(rid)) from request where rid = p_rid);
end
$$;

-- Names of the items in these states for a message, shortened so that two such lists fit into one.
create function item_names(p_rid bigint, p_states text[]) returns text
language plpgsql stable set search_path = provbox, pg_temp as $$
begin
	return (
		select left(string_agg(coalesce(name, feature), ', ' order by position), 600)
		from item where request = p_rid and state = any (p_states)
	);
end
$$;

-- A wording with the items in these states; null when there are none.
create function items_text(p_rid bigint, p_template text, p_language text, p_states text[]) returns text
language plpgsql stable set search_path = provbox, pg_temp as $$
declare
	names text := item_names(p_rid, p_states);
begin
	return case when names is not null then replace(template_text(p_template, p_language), '{items}', names) end;
end
$$;

-- Tell the subscriber what became of items; says nothing when there are none in these states.
create function items_notice(p_rid bigint, p_msisdn text, p_kind text, p_template text, p_language text, p_states text[])
returns void
language plpgsql set search_path = provbox, pg_temp as $$
begin
	perform notice_put(p_rid, p_msisdn, p_kind, template_language(p_template, p_language), words)
	from items_text(p_rid, p_template, p_language, p_states) words where words is not null;
end
$$;

-- Tell the subscriber in one message what cannot be had, and what does not go together (A069, A070).
create function left_out_notice(p_rid bigint, p_msisdn text, p_language text) returns void
language plpgsql set search_path = provbox, pg_temp as $$
begin
	perform notice_put(p_rid, p_msisdn, 'status', template_language('left_out', p_language), words)
	from concat_ws(E'\n', items_text(p_rid, 'left_out', p_language, '{unavailable}'),
		items_text(p_rid, 'in_conflict', p_language, '{conflict}')) words where words <> '';
end
$$;

-- Verification (A087 to A089) -----------------------------------------------------------------------------------

-- Null when device and user information are those of the operator's record, else the reason. That the device is
-- the one of the session is always demanded; the rest only before its first provisioning (A088).
create function verification_problem(p_device device, p_body jsonb, p_is_first boolean) returns text
language plpgsql stable set search_path = provbox, pg_temp as $$
begin
	return case
		when p_body #>> '{device,dev}' <> p_device.dev then 'device_mismatch'
		when not p_is_first then null
		when folded(p_body #>> '{device,model}') is distinct from folded(p_device.model) then 'device_mismatch'
		when (folded(p_body #>> '{user,given_name}'), folded(p_body #>> '{user,family_name}'),
				folded(p_body #>> '{user,postcode}'))
			is distinct from (folded(p_device.given_name), folded(p_device.family_name),
				folded(p_device.postcode)) then 'user_mismatch'
	end;
end
$$;

-- Matching with the catalogue (A098) ----------------------------------------------------------------------------

-- Does a feature of this catalogue clash with another? Either may name the conflict.
create function is_clash(p_catalogue int, p_a text, p_b text) returns boolean
language plpgsql stable set search_path = provbox, pg_temp as $$
begin
	return (
		select exists (select from feature where catalogue = p_catalogue
			and (id = p_a and p_b = any (conflicts) or id = p_b and p_a = any (conflicts)))
	);
end
$$;

-- Match each requested item; those that cannot be provided are moved out with their reason. Returns how many stay.
-- Of two that clash, the one named first stays.
create function items_match(p_rid bigint, p_model text) returns int
language plpgsql set search_path = provbox, pg_temp as $$
declare
	r request;
	i item;
	f feature;
	kept text[] := '{}';
	installed text[];
begin
	select * into strict r from request where rid = p_rid;
	select array_agg(distinct j.feature) into installed
	from request q join item j on j.request = q.rid where q.dev = r.dev and j.state = 'installed';
	for i in select * from item where request = p_rid order by position loop
		select * into f from feature where catalogue = r.catalogue and id = i.feature;
		if not found then
			perform item_move(p_rid, i.feature, 'leave_out', 'server', 'feature_unknown', null);
			continue;
		end if;
		update item set kind = f.kind, name = f.name, version = f.version, content = f.content
		where request = p_rid and feature = i.feature;
		if p_model <> all (f.models) then
			perform item_move(p_rid, i.feature, 'leave_out', 'server', 'model_unfit', null);
		elsif content_is_lost(f.content) then
			perform item_move(p_rid, i.feature, 'leave_out', 'server', 'content_unavailable', null);
		elsif exists (select from unnest(installed) k
				where k <> i.feature and is_clash(r.catalogue, i.feature, k)) then
			perform item_move(p_rid, i.feature, 'clash', 'server', 'conflict_installed', null);
		elsif exists (select from unnest(kept) k where is_clash(r.catalogue, i.feature, k)) then
			perform item_move(p_rid, i.feature, 'clash', 'server', 'conflict_requested', null);
		else
			kept := kept || i.feature;
		end if;
	end loop;
	return cardinality(kept);
end
$$;

-- Offer ---------------------------------------------------------------------------------------------------------

-- A code that no open offer of this number has, from the system's random source.
create function offer_put(p_rid bigint, p_msisdn text, p_catalogue int, p_language text) returns text
language plpgsql set search_path = provbox, pg_temp as $$
declare
	new_code text;
begin
	for i in 1..1000 loop
		new_code := 1000 + ('x' || right(gen_random_uuid()::text, 7))::bit(28)::int % 9000;
		insert into offer (request, msisdn, code, catalogue, language, expires)
		values (p_rid, p_msisdn, new_code, p_catalogue, p_language,
			clock_timestamp() + setting_interval('terms_lifetime'))
		on conflict (msisdn, code) where is_open do nothing;
		if found then
			return new_code;
		end if;
	end loop;
	raise 'no free code for a number' using errcode = 'XX000';
end
$$;

-- Match the items of a verified request and offer the terms; or refuse it. The terms go to the number of the device
-- record, unchanged, followed by one line that says how to answer.
create function request_offer(p_rid bigint, p_device device, p_is_first boolean) returns void
language plpgsql set search_path = provbox, pg_temp as $$
declare
	r request;
	wanted text;
	kept int;
	code text;
	t terms;
begin
	select * into strict r from request where rid = p_rid;
	wanted := r.body #>> '{user,language}';
	if p_device.firmware is distinct from r.body #>> '{device,firmware}' then
		update device set firmware = r.body #>> '{device,firmware}' where dev = p_device.dev;
	end if;
	kept := items_match(p_rid, p_device.model);
	if kept = 0 then
		perform request_move(p_rid, 'refuse', 'server', 'no_item_available', null);
		perform left_out_notice(p_rid, p_device.msisdn, wanted);
		return;
	end if;
	select x.* into strict t from terms x join catalogue c on c.version = x.catalogue
	where x.catalogue = r.catalogue and x.language = language_match(wanted,
		(select array_agg(language) from terms where catalogue = r.catalogue), c.default_language);
	code := offer_put(p_rid, p_device.msisdn, r.catalogue, t.language);
	perform request_move(p_rid, 'offer', 'server', null, jsonb_build_object('terms', hex(t.sha256),
		'version', t.version, 'language', t.language, 'verified', p_is_first));
	perform notice_put(p_rid, p_device.msisdn, 'terms', t.language,
		t.text || E'\n' || answer_line(t.language, code));
	perform terms_copy(r, p_device, t);
	if kept < jsonb_array_length(r.body -> 'items') then
		perform left_out_notice(p_rid, p_device.msisdn, wanted);
	end if;
end
$$;

-- Verify a new request by the stored data, and have it verified outside where that is asked for; then offer its terms.
-- What the stored data refuse is told to nobody else.
create function request_process(p_rid bigint, p_device device) returns void
language plpgsql set search_path = provbox, pg_temp as $$
declare
	is_first boolean := not exists (select from account where dev = p_device.dev);
	problem text;
begin
	if is_first then
		perform request_move(p_rid, 'verify', 'server', null, null);
	end if;
	select verification_problem(p_device, body, is_first) into problem from request where rid = p_rid;
	if problem is not null then
		perform request_move(p_rid, 'refuse', 'server', problem, null);
	elsif is_first and is_verified_outside() then
		perform verification_ask(p_rid);
	else
		perform request_offer(p_rid, p_device, is_first);
	end if;
end
$$;

-- Answer --------------------------------------------------------------------------------------------------------

-- Take the answer to an open offer whose request is locked, with its proof: p_how is online for the device's own, code
-- or bare for a message with or without the code.
create function offer_answer(p_rid bigint, p_answer text, p_how text, p_source jsonb) returns void
language plpgsql set search_path = provbox, pg_temp as $$
declare
	o offer;
	channel text := case p_how when 'online' then 'wide_band' else 'narrow_band' end;
begin
	select * into strict o from offer where request = p_rid and is_open;
	insert into acceptance (request, answer, catalogue, language, terms_version, terms_sha256, channel, how, source)
	select p_rid, p_answer, t.catalogue, t.language, t.version, t.sha256, channel, p_how, p_source
	from terms t where t.catalogue = o.catalogue and t.language = o.language;
	perform request_move(p_rid, p_answer, case p_how when 'online' then 'device' else 'subscriber' end,
		case p_answer when 'decline' then 'terms_declined' end,
		jsonb_strip_nulls(p_source || jsonb_build_object('channel', channel, 'how', p_how,
			'number', masked(p_source ->> 'number'))));
	if p_answer = 'accept' then
		-- What is still to be fetched waits for items_settle().
		perform item_move(p_rid, feature, 'ready', 'server', null, null)
		from item join content c on c.sha256 = item.content
		where request = p_rid and state = 'requested' and c.is_complete;
		perform items_notice(p_rid, o.msisdn, 'accepted', 'accepted', request_language(p_rid), '{requested,ready}');
	end if;
end
$$;

-- End a request, locked, that waited too long: for its verification, or for the answer to its terms.
create function request_expire(p_rid bigint, p_actor text) returns void
language plpgsql set search_path = provbox, pg_temp as $$
begin
	perform request_move(p_rid, 'expire', p_actor, case state
		when 'verifying' then 'verification_expired' else 'offer_expired' end, null)
	from request where rid = p_rid;
	perform request_withdraw(p_rid, p_actor);
end
$$;

-- End the requests whose time is over, at most p_limit of each sort at once; returns how many. Those that nobody verified
-- are told to the subscribers, by number, because each message locks that of its number.
create function requests_expire(p_limit int) returns int
language plpgsql security definer set search_path = provbox, pg_temp as $$
declare
	-- Known before, so that an index ends at them.
	expired_by timestamptz := clock_timestamp();
	begun_by timestamptz := expired_by - setting_interval('verification_lifetime');
	r record;
	n int := 0;
	unverified bigint[] := '{}';
begin
	for r in
		with offered as (
			select q.rid, q.state from offer o join request q on q.rid = o.request
			where o.is_open and o.expires <= expired_by and q.state = 'offered'
			order by o.expires limit p_limit for update of q skip locked
		), verifying as (
			select q.rid, q.state from request q where q.state = 'verifying'
				and q.created <= begun_by
			order by q.created limit p_limit for update skip locked
		)
		select * from offered union all select * from verifying
	loop
		perform request_expire(r.rid, 'courier');
		n := n + 1;
		if r.state = 'verifying' then
			unverified := unverified || r.rid;
		end if;
	end loop;
	for r in select q.rid from request q join device d on d.dev = q.dev where q.rid = any (unverified) order by d.msisdn loop
		perform verification_notice(r.rid, 'not_checked');
	end loop;
	return n;
end
$$;

-- Withdrawal ----------------------------------------------------------------------------------------------------

-- Lock a request that is to end, and before it what is due of it (doc/database.md, "Order of locks").
create function request_lock(p_dev text, p_id uuid) returns request
language plpgsql set search_path = provbox, pg_temp as $$
declare
	r request;
begin
	perform from outbox
	where request = (select rid from request where dev = p_dev and id = p_id) and state = 'due' order by id for update;
	select * into r from request where dev = p_dev and id = p_id for update;
	return r;
end
$$;

-- Take back what a request, locked, would still send and now must not: the question to the verification service, copies
-- of the terms, and messages about the offer of which nothing was given to Kannel yet. Waits for nobody: a row in another session's hands
-- at this moment is left alone, and who leases it next finds that it is not wanted any more.
create function request_withdraw(p_rid bigint, p_actor text) returns void
language plpgsql set search_path = provbox, pg_temp as $$
declare
	o outbox;
begin
	for o in select * from outbox where request = p_rid and state = 'due' order by id for update skip locked loop
		if o.kind not in ('verify', 'mail', 'hook') and not exists (select from notice
				where id = o.notice and kind in ('terms', 'accepted') and state = 'queued') then
			continue;
		end if;
		perform outbox_withdraw(o, p_actor);
		if o.notice is not null then
			perform notice_move(o.notice, 'failed', p_actor, 'withdrawn', null);
		end if;
	end loop;
end
$$;

-- Confirmation --------------------------------------------------------------------------------------------------

-- The CloudEvents 1.0 event that tells billing what was provisioned: no name, no address, no number.
create function billing_event(p_rid bigint, p_key text) returns jsonb
language plpgsql stable set search_path = provbox, pg_temp as $$
begin
	return (
		select jsonb_build_object('specversion', '1.0', 'id', p_key, 'source', setting_text('billing_source'),
			'type', setting_text('billing_type_prefix') || '.provisioning.completed', 'subject', r.id::text,
			'time', rfc3339(r.changed), 'datacontenttype', 'application/json',
			'data', jsonb_build_object('request', r.id, 'accounting_reference', r.body #>> '{accounting,reference}',
				'catalogue', r.catalogue, 'items', (select jsonb_agg(jsonb_build_object(
					'id', feature, 'kind', kind, 'version', version) order by position)
					from item where request = r.rid and state = 'installed')))
		from request r where r.rid = p_rid
	);
end
$$;

-- Open the account that the first provisioning makes, and give the device its standing.
create function account_open(p_rid bigint) returns void
language plpgsql set search_path = provbox, pg_temp as $$
declare
	r request;
begin
	select * into strict r from request where rid = p_rid;
	insert into account (dev, accounting_reference, given_name, family_name, postcode, request)
	values (r.dev, r.body #>> '{accounting,reference}', r.body #>> '{user,given_name}',
		r.body #>> '{user,family_name}', r.body #>> '{user,postcode}', r.id)
	on conflict (dev) do nothing;
	if found then
		perform event_put(r.dev, p_rid, 'account_opened', 'server', 'account_opened', null);
	end if;
	if exists (select from device where dev = r.dev and standing = 'unprovisioned') then
		perform standing_move(r.dev, 'active', p_rid, 'server', 'account_opened', null);
	end if;
end
$$;

-- Once the last open item has its result the request is done, or failed when nothing was installed.
create function request_confirm(p_rid bigint, p_actor text) returns void
language plpgsql set search_path = provbox, pg_temp as $$
declare
	o offer;
	has_open boolean;
	has_installed boolean;
	has_failed boolean;
begin
	select bool_or(s.is_open), bool_or(i.state = 'installed'), bool_or(i.state = 'failed')
	into has_open, has_installed, has_failed
	from item i join item_state s using (state) where i.request = p_rid;
	if has_open then
		return;
	end if;
	select * into strict o from offer where request = p_rid;
	if has_installed then
		perform request_move(p_rid, 'complete', p_actor, null, null);
		perform account_open(p_rid);
		perform billing_put(p_rid);
		perform items_notice(p_rid, o.msisdn, 'status', 'completed', request_language(p_rid), '{installed}');
	else
		perform request_move(p_rid, 'fail', p_actor,
			case when has_failed then 'no_item_installed' else 'no_item_available' end, null);
	end if;
	if has_failed then
		perform items_notice(p_rid, o.msisdn, 'status', 'failed', request_language(p_rid), '{failed}');
	end if;
end
$$;
