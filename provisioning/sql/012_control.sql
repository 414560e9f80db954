-- What gateways must learn at once: changes of standing, credential or rule (doc/landnet.md, "The control stream").
set local search_path = provbox, pg_temp;

-- One row for each change, in the transaction that makes it. dev is null when it concerns all devices. xid is that
-- transaction: epochs are drawn before the commit, so they do not tell what has become visible since the last look.
create table change (
	epoch bigint primary key,
	dev text,
	reason text not null references reason,
	xid xid8 not null default pg_current_xact_id(),
	at timestamptz not null default clock_timestamp()
);
create index change_xid on change (xid);
create index change_at on change (at);

create function on_device_change() returns trigger
language plpgsql set search_path = provbox, pg_temp as $$
begin
	insert into change (epoch, dev, reason)
	values (new.epoch, new.dev, case new.standing when 'blocked' then 'device_blocked' else 'grant_epoch' end);
	return null;
end
$$;
create trigger device_change after update on device for each row when (new.epoch <> old.epoch)
execute function on_device_change();

-- A device that nobody knew may have a grant by the rule for such devices; what it is granted changes with its row.
create function device_had_grant() returns boolean
language plpgsql stable set search_path = provbox, pg_temp as $$
begin
	return exists (select from policy where reason = 'device_unknown' and outcome = 'limited');
end
$$;
create trigger device_new after insert on device for each row when (device_had_grant())
execute function on_device_change();

create function on_policy_change() returns trigger
language plpgsql set search_path = provbox, pg_temp as $$
begin
	insert into change (epoch, reason) values (new.epoch, 'grant_epoch');
	return null;
end
$$;
-- No grant depends on any other rule.
create trigger policy_change after update on policy for each row when (new.reason = 'device_unknown')
execute function on_policy_change();

-- What has changed since the look that gave p_cursor (null: nothing, this is the first): lines for gateways, and the
-- cursor of this look. A cursor is a snapshot: a change is told when its transaction is visible now and was not then,
-- however long that took and in whatever order commits came. After a restart or failover of PostgreSQL, and when more
-- than p_limit devices have changed, the line is one for all.
create function changes_read(p_cursor text, p_limit int, out cursor text, out lines text)
language plpgsql stable security definer set search_path = provbox, pg_temp as $$
declare
	life text := extract(epoch from pg_postmaster_start_time())::text;
	seen pg_snapshot := split_part(p_cursor, ' ', 2);
begin
	cursor := life || ' ' || pg_current_snapshot();
	if split_part(p_cursor, ' ', 1) <> life then
		lines := change_line('*', (select last_value from epoch), 'grant_epoch');
		return;
	end if;
	select case when count(*) > p_limit then change_line('*', max(epoch), 'grant_epoch')
		else coalesce(string_agg(change_line(coalesce(dev, '*'), epoch, reason), '' order by epoch), '') end
	into lines from (
		select distinct on (c.dev) c.dev, c.epoch, c.reason from change c
		where c.xid >= pg_snapshot_xmin(seen) and not pg_visible_in_snapshot(c.xid, seen)
		order by c.dev, c.epoch desc) last;
end
$$;

create function change_line(p_dev text, p_epoch bigint, p_reason text) returns text
language sql immutable as $$
	select jsonb_build_object('end', p_dev, 'epoch', p_epoch, 'reason', p_reason)::text || E'\n'
$$;

-- Take away what is of no use any more: changes that every stream has told or that it ended without, and credentials
-- that are not live. Gives how many.
create function control_forget(p_limit int) returns int
language plpgsql security definer set search_path = provbox, pg_temp as $$
declare
	-- Known before, so that an index ends at them: else every row would be asked.
	changed_before timestamptz := clock_timestamp() - interval '10 minutes';
	seen_before timestamptz := clock_timestamp() - setting_interval('credential_life');
	changes int;
	credentials int;
begin
	delete from change where epoch in (select epoch from change
		where at < changed_before order by at limit p_limit for update skip locked);
	get diagnostics changes = row_count;
	delete from live_credential where (gw, sid) in (select gw, sid from live_credential
		where seen < seen_before order by seen limit p_limit for update skip locked);
	get diagnostics credentials = row_count;
	return changes + credentials;
end
$$;
