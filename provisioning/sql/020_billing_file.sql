-- Billing events on their way: to a server of others, into files for mediation, or both.
set local search_path = provbox, pg_temp;

insert into setting (key, kind, shape, value, meaning) values
('billing_delivery', 'text', '^(post|file|both)$', 'post', 'how billing gets its events: posted, in files, or both'),
('billing_file_interval', 'interval', '', '1 minute', 'how long an event waits for others to share its file'),
('billing_file_size', 'text', '^[1-9][0-9]{2,5}$', '262144', 'bytes of a file that is full');

-- Events that are in no file yet. What a file holds is decided here and never changes: the file is the row of the outbox
-- that is written in the same transaction, and whoever writes it twice writes the same.
create table billing_record (
	id bigint generated always as identity primary key,
	event jsonb not null,
	created timestamptz not null default clock_timestamp()
);

create sequence billing_file_number;

-- Tell billing what was provisioned. Where its events go is decided now.
create function billing_put(p_rid bigint) returns void
language plpgsql set search_path = provbox, pg_temp as $$
declare
	key text := request_key(p_rid) || '/done';
	delivery text := setting_text('billing_delivery');
begin
	if delivery in ('post', 'both') then
		perform outbox_put('billing', key, p_rid, null, billing_event(p_rid, key));
	end if;
	if delivery in ('file', 'both') then
		insert into billing_record (event) values (billing_event(p_rid, key));
	end if;
end
$$;

-- Make a file of what waits, when there is enough for one or the first has waited long enough. True when there may be
-- more. Two at once take different events. The name is never used again, not even by a database that was restored.
create function billing_file_cut() returns boolean
language plpgsql security definer set search_path = provbox, pg_temp as $$
declare
	most int := setting_text('billing_file_size')::int;
	r billing_record;
	ids bigint[] := '{}';
	events jsonb[] := '{}';
	size int := 0;
	is_full boolean := false;
	first timestamptz;
	name text;
begin
	for r in select * from billing_record order by id for update skip locked loop
		is_full := size > 0 and size + octet_length(r.event::text) >= most;
		exit when is_full;
		first := coalesce(first, r.created);
		ids := ids || r.id;
		events := events || r.event;
		size := size + octet_length(r.event::text) + 1;
	end loop;
	if size = 0 or not (is_full or first <= clock_timestamp() - setting_interval('billing_file_interval')) then
		return false;
	end if;
	name := 'billing-' || lpad(nextval('billing_file_number')::text, 9, '0') || '-' || gen_random_uuid() || '.ndjson';
	perform outbox_put('file', name, null, null,
		jsonb_build_object('name', name, 'events', to_jsonb(events)));
	delete from billing_record where id = any (ids);
	return is_full;
end
$$;

grant execute on function billing_file_cut to provbox_server;
