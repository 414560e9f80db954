-- Everything that is known to have happened to a device, in the order of time.
set local search_path = provbox, pg_temp;

-- A session as sid= in the logs.
create function sid_text(p_sid bytea) returns text
language sql immutable as $$
	select rtrim(translate(encode(p_sid, 'base64'), '+/', '-_'), '=')
$$;

-- Its requests, notices and numbers are found first, so that each table is asked by an index.
create type trace_scope as (rids bigint[], notices bigint[], numbers text[]);

create function trace_find(p_dev text) returns trace_scope
language plpgsql stable set search_path = provbox, pg_temp as $$
declare
	s trace_scope;
begin
	s.rids := array(select rid from request where dev = p_dev);
	s.notices := array(select id from notice where request = any (s.rids)
		union all select id from notice where dev = p_dev and request is null);
	s.numbers := array(select msisdn from device where dev = p_dev
		union select msisdn from offer where request = any (s.rids));
	return s;
end
$$;

-- The story of a device after p_since (null: all of it), the newest p_limit lines (null: all), oldest first: events and
-- ends of sessions, credentials that are live, attempts at parts and their reports, messages of its number, work of the
-- outbox as it was put there and as it is. key names a line, so that who asks again knows which are new.
create function device_trace(p_dev text, p_since timestamptz, p_limit int)
returns table (key text, at timestamptz, actor text, event text, request uuid, subject text, from_state text,
	to_state text, reason text, detail jsonb)
language plpgsql stable security definer set search_path = provbox, pg_temp as $$
#variable_conflict use_column
declare
	s trace_scope := trace_find(p_dev);
begin
	return query
	with line (key, n, at, actor, event, rid, subject, from_state, to_state, reason, detail) as (
		select 'event ' || e.id, e.id, e.at, e.actor, e.kind, e.request,
			coalesce(e.item, 'notice ' || (e.detail ->> 'notice'), 'session ' || sid_text(e.sid),
				case when e.request is null or e.kind = 'standing' then 'device' else 'request' end),
			e.from_state, e.to_state, e.reason, e.detail - 'notice'
		from event e where e.dev = p_dev and e.request is null or e.request = any (s.rids)
		union all
		select 'session ' || sid_text(l.sid), 0, l.seen, 'gateway', 'credential_live', null, 'session ' || sid_text(l.sid),
			null, null, null, jsonb_build_object('cred', hex(l.cred), 'gw', hex(l.gw))
		from live_credential l where l.dev = p_dev
		union all
		select 'part ' || p.uuid || ' ' || t.event, 0, t.at, 'smsc', t.event, x.request,
			'notice ' || x.id || ' part ' || p.part || '/' || x.parts, t.from_state, t.to_state, null, t.detail
		from notice_part p join notice x on x.id = p.notice
		cross join lateral (values
			(p.sent, 'part_sent', null, 'sent', jsonb_build_object('attempt', p.attempt, 'link', p.link)),
			(p.reported, 'part_reported', 'sent', p.state, jsonb_strip_nulls(jsonb_build_object('attempt', p.attempt,
				'smsc_message', p.foreign_id, 'answer', case when x.kind <> 'access' then nullif(p.answer, '') end)))
		) t (at, event, from_state, to_state, detail)
		where p.notice = any (s.notices)
		union all
		select 'message ' || m.id, 0, m.received, 'subscriber', 'message_received',
			(select r.rid from request r where r.dev = p_dev and r.id = m.request), 'message ' || m.id, null, m.outcome, null,
			jsonb_strip_nulls(jsonb_build_object('number', masked(m.sender), 'smsc', m.smsc_id))
		from mo m where m.sender = any (s.numbers)
		union all
		select 'work ' || o.id || ' ' || t.state || ' ' || t.attempt, 0, t.at,
			case o.kind when 'sms' then 'smsc' else 'courier' end, t.event, o.request, 'outbox ' || o.id || ' ' || o.kind,
			t.from_state, t.state, t.reason, t.detail
		from outbox o
		cross join lateral (values
			(o.created, 'work_put', null, 'due', 0, null, jsonb_build_object('key', o.key)),
			(case when o.state <> 'due' or o.attempt > 0 then o.changed end, 'work', 'due', o.state, o.attempt, o.reason,
				jsonb_strip_nulls(jsonb_build_object('attempt', o.attempt, 'worker', o.worker)))
		) t (at, event, from_state, state, attempt, reason, detail)
		where o.request = any (s.rids) or o.notice = any (s.notices)
	)
	select l.key, l.at, l.actor, l.event, r.id, l.subject, l.from_state, l.to_state, l.reason, l.detail
	from (select * from line where line.at is not null and (p_since is null or line.at > p_since)
		order by line.at desc, line.n desc limit p_limit) l
	left join request r on r.rid = l.rid
	order by l.at, l.n;
end
$$;

grant execute on function device_trace to provbox_operator;
