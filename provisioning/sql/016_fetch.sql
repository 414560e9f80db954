-- Content that lies elsewhere: fetched by the courier, delivered once it is what the catalogue says, waited for until then.
set local search_path = provbox, pg_temp;

create function content_key(p_sha256 bytea) returns text
language sql immutable as $$
	select 'content/' || encode(p_sha256, 'hex')
$$;

-- Have a content fetched from there. What was given up before begins anew.
create function content_want(p_sha256 bytea, p_size bigint, p_url text) returns void
language plpgsql set search_path = provbox, pg_temp as $$
begin
	insert into outbox as o (kind, key, payload)
	values ('fetch', content_key(p_sha256), jsonb_build_object('sha256', hex(p_sha256), 'size', p_size, 'url', p_url))
	on conflict (key) where notice is null do update set state = 'due', payload = excluded.payload, due_at = clock_timestamp(),
		attempt = 0, token = null, reason = null, created = clock_timestamp(), changed = clock_timestamp()
	where o.state <> 'due' or o.payload <> excluded.payload;
end
$$;

-- Has fetching it been given up?
create function content_is_lost(p_sha256 bytea) returns boolean
language plpgsql stable set search_path = provbox, pg_temp as $$
begin
	return exists (select from content where sha256 = p_sha256 and not is_complete)
		and exists (select from outbox where key = content_key(p_sha256) and notice is null and state in ('dead', 'dropped'));
end
$$;

-- Courier -------------------------------------------------------------------------------------------------------

-- The row of a lease, locked; null when the lease went to another.
create function fetch_lock(p_id bigint, p_token uuid) returns outbox
language plpgsql set search_path = provbox, pg_temp as $$
declare
	o outbox;
begin
	select * into o from outbox where id = p_id and token = p_token and state = 'due' and kind = 'fetch' for update;
	return o;
end
$$;

-- The same, and keep the lease for so much longer.
create function fetch_hold(p_id bigint, p_token uuid, p_lease interval) returns outbox
language plpgsql set search_path = provbox, pg_temp as $$
declare
	o outbox := fetch_lock(p_id, p_token);
begin
	update outbox set due_at = clock_timestamp() + p_lease where id = o.id;
	return o;
end
$$;

-- Store one row of what is being fetched, and keep the lease for so much longer; false when it went to another. What an
-- operator has loaded meanwhile is not stored again.
create function fetch_chunk_put(p_id bigint, p_token uuid, p_n int, p_bytes bytea, p_lease interval) returns boolean
language plpgsql security definer set search_path = provbox, pg_temp as $$
declare
	o outbox := fetch_hold(p_id, p_token, p_lease);
begin
	if o.id is null then
		return false;
	end if;
	perform from content where sha256 = decode(o.payload ->> 'sha256', 'hex') and is_complete for share;
	if not found then
		perform content_chunk_put(decode(o.payload ->> 'sha256', 'hex'), p_n, p_bytes);
	end if;
	return true;
end
$$;

-- A row of what was stored, to be read back, and keep the lease for so much longer; null when it went to another.
create function fetch_chunk_read(p_id bigint, p_token uuid, p_n int, p_lease interval) returns bytea
language plpgsql security definer set search_path = provbox, pg_temp as $$
declare
	o outbox := fetch_hold(p_id, p_token, p_lease);
begin
	if o.id is null then
		return null;
	end if;
	return content_chunk_read(decode(o.payload ->> 'sha256', 'hex'), p_n);
end
$$;

-- All of it was fetched and read back, and has this digest; null: it was shorter or longer than it should be. Returns
-- done; dead, when it is not what the catalogue says; null when the lease went to another.
create function fetch_end(p_id bigint, p_token uuid, p_found bytea) returns text
language plpgsql security definer set search_path = provbox, pg_temp as $$
declare
	o outbox := fetch_lock(p_id, p_token);
	detail jsonb := jsonb_build_object('key', o.key, 'attempt', o.attempt, 'url', o.payload ->> 'url');
begin
	if o.id is null then
		return null;
	elsif not content_finish(decode(o.payload ->> 'sha256', 'hex'), p_found) then
		perform outbox_bury(p_id, 'courier', 'content_mismatch', detail ||
			jsonb_strip_nulls(jsonb_build_object('found', hex(p_found))));
		return 'dead';
	end if;
	update outbox set state = 'done', token = null, reason = null, changed = clock_timestamp() where id = p_id;
	perform event_put(null, null, 'fetch_done', 'courier', null, detail);
	return 'done';
end
$$;

-- A request whose items wait for content that has come, or will not: it goes on. The subscriber is told what is not to be
-- had; where that was all, the request has ended. Returns whether there was one, and may be more: one at a time, because
-- what comes after a request in the order of locks would come before the next.
create function items_settle() returns boolean
language plpgsql security definer set search_path = provbox, pg_temp as $$
declare
	r request;
	i record;
	lost text;
begin
	select q.* into r from request q
	where q.state in ('accepted', 'delivering') and exists (
		select from item x join content c on c.sha256 = x.content
		where x.request = q.rid and x.state = 'requested' and (c.is_complete or content_is_lost(c.sha256)))
	order by q.rid limit 1 for update of q skip locked;
	if not found then
		return false;
	end if;
	for i in
		select x.feature, x.name, c.is_complete, content_is_lost(c.sha256) as is_lost
		from item x join content c on c.sha256 = x.content
		where x.request = r.rid and x.state = 'requested' order by x.position
	loop
		if i.is_complete then
			perform item_move(r.rid, i.feature, 'ready', 'courier', null, null);
		elsif i.is_lost then
			perform item_move(r.rid, i.feature, 'leave_out', 'courier', 'content_unavailable', null);
			lost := concat_ws(', ', lost, i.name);
		end if;
	end loop;
	perform request_confirm(r.rid, 'courier');
	if lost is not null then
		perform notice_put(r.rid, o.msisdn, 'status', template_language('left_out', l),
			replace(template_text('left_out', l), '{items}', lost))
		from offer o, request_language(r.rid) l where o.request = r.rid;
	end if;
	return true;
end
$$;

-- Tell a subscriber whose request has been in our hands for the time of the setting that it still is (A071). What waits for
-- the subscriber or the device is not in our hands. Returns as items_settle(), and for the same reason.
create function status_notice() returns boolean
language plpgsql security definer set search_path = provbox, pg_temp as $$
declare
	every interval := setting_interval('status_interval');
	r request;
begin
	if every = interval '0' then
		return false;
	end if;
	select q.* into r from request q
	where q.state in ('verifying', 'accepted', 'delivering') and q.told <= clock_timestamp() - every
		and (q.state = 'verifying' or exists (
			select from item where request = q.rid and state = 'requested'))
	order by q.rid limit 1 for update of q skip locked;
	if not found then
		return false;
	end if;
	update request set told = clock_timestamp() where rid = r.rid;
	perform items_notice(r.rid, d.msisdn, 'status', 'status', request_language(r.rid),
		'{requested,ready,delivering}')
	from device d where d.dev = r.dev;
	return true;
end
$$;

grant execute on function content_next, fetch_chunk_put, fetch_chunk_read, fetch_end, items_settle, status_notice to provbox_server;
grant execute on function content_chunk_read to provbox_operator;
