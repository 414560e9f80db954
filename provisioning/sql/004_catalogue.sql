-- The catalogue: versions of features and terms, and the content they deliver.
set local search_path = provbox, pg_temp;

-- Content is keyed by the SHA-256 of the whole and stored in rows of 256 KiB; it may serve many versions.
create table content (
	sha256 bytea primary key check (length(sha256) = 32),
	size bigint not null check (size between 1 and 268435456),
	media_type text not null check (media_type ~ '^[a-z0-9.+-]{1,60}/[a-z0-9.+-]{1,60}$'),
	is_complete boolean not null default false,
	created timestamptz not null default clock_timestamp()
);

create table content_chunk (
	sha256 bytea not null references content on delete cascade,
	n int not null check (n >= 0),
	bytes bytea not null check (length(bytes) between 1 and 262144),
	primary key (sha256, n)
);
-- Modules are compressed or binary: PostgreSQL would try to compress them in vain at every write and read.
alter table content_chunk alter column bytes set storage external;

-- manifest_sha256 is over the jsonb text, so that the same manifest loaded again is the same version.
create table catalogue (
	version int generated always as identity primary key,
	manifest_sha256 bytea not null unique,
	default_language text not null,
	created timestamptz not null default clock_timestamp(),
	published timestamptz,
	is_current boolean not null default false check (not is_current or published is not null)
);
create unique index catalogue_current on catalogue (is_current) where is_current;

-- uri: the provisioning server that provides the feature. url: where its content is fetched from; null: it was loaded
-- with the catalogue. models null: fits all. conflicts: ids of features that cannot be on a device together with this one.
create table feature (
	catalogue int not null references catalogue,
	id text not null check (id ~ '^[a-z0-9][a-z0-9._-]{0,63}$'),
	position int not null,
	version text not null check (length(version) between 1 and 40),
	name text not null check (length(name) between 1 and 40),
	description text not null check (length(description) <= 1000),
	kind text not null check (kind in ('module', 'activation')),
	uri text not null check (uri ~ '^https://[a-z0-9.-]+(:[0-9]{1,5})?(/\S*)?$' and length(uri) <= 300),
	content bytea not null references content,
	url text check (url ~ '^https://[A-Za-z0-9.:\[\]-]+(/[!-~]*)?$' and length(url) <= 1000),
	models text[],
	conflicts text[] not null default '{}',
	primary key (catalogue, id)
);

-- The hash covers the text alone; the text is sent unchanged.
create table terms (
	catalogue int not null references catalogue,
	language text not null check (language ~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$'),
	version text not null check (length(version) between 1 and 40),
	text text not null,
	sha256 bytea not null check (sha256 = sha256(convert_to(text, 'UTF8'))),
	primary key (catalogue, language)
);

create function catalogue_current() returns int
language plpgsql stable set search_path = provbox, pg_temp as $$
begin
	return (select version from catalogue where is_current);
end
$$;

-- Reading, for a device ----------------------------------------------------------------------------------------

create function content_json(p_sha256 bytea) returns jsonb
language plpgsql stable set search_path = provbox, pg_temp as $$
begin
	return (
		select jsonb_build_object('sha256', hex(sha256), 'size', size, 'media_type', media_type)
		from content where sha256 = p_sha256
	);
end
$$;

create function catalogue_read(p_dev text, p_epoch bigint, p_permission text) returns api_result
language plpgsql stable security definer set search_path = provbox, pg_temp as $$
declare
	refusal api_result := device_gate(p_dev, p_epoch, p_permission);
	v int := catalogue_current();
	device_model text;
	features jsonb;
begin
	if refusal.status is not null then
		return refusal;
	elsif v is null then
		return api_refusal(404, 'catalogue_empty');
	end if;
	select model into device_model from device where dev = p_dev;
	select coalesce(jsonb_agg(jsonb_build_object('id', id, 'name', name, 'description', description,
		'kind', kind, 'uri', uri, 'version', version, 'content', content_json(content)) order by position), '[]')
	into features
	from feature where catalogue = v and (models is null or device_model = any (models));
	return api_answer(200, format('"c%s-%s"', v, left(hex(sha256(convert_to(features::text, 'UTF8'))), 16)),
		jsonb_build_object('version', v, 'features', features));
end
$$;

create function content_chunk_read(p_sha256 bytea, p_n int) returns bytea
language sql stable security definer set search_path = provbox, pg_temp as $$
	select bytes from content_chunk where sha256 = p_sha256 and n = p_n
$$;

-- Storing, in rows ----------------------------------------------------------------------------------------------

-- The next row that is wanted of a content; -1: it is complete.
create function content_next(p_sha256 bytea) returns int
language plpgsql stable security definer set search_path = provbox, pg_temp as $$
begin
	return (select case when c.is_complete then -1 else (select coalesce(max(n) + 1, 0) from content_chunk k
		where k.sha256 = p_sha256) end from content c where c.sha256 = p_sha256);
end
$$;

-- Loading, for an operator -------------------------------------------------------------------------------------

create function content_begin(p_sha256 bytea, p_size bigint, p_media_type text) returns int
language plpgsql security definer set search_path = provbox, pg_temp as $$
declare
	c content;
begin
	insert into content (sha256, size, media_type) values (p_sha256, p_size, p_media_type)
	on conflict do nothing;
	select * into strict c from content where sha256 = p_sha256;
	if c.size <> p_size or c.media_type <> p_media_type then
		raise 'content % is there with size % and type %', hex(p_sha256), c.size, c.media_type
		using errcode = '22023';
	end if;
	return content_next(p_sha256);
end
$$;

create function content_chunk_put(p_sha256 bytea, p_n int, p_bytes bytea) returns void
language plpgsql security definer set search_path = provbox, pg_temp as $$
declare
	c content;
begin
	select * into c from content where sha256 = p_sha256 for share;
	if not found or c.is_complete or p_n::bigint * 262144 + length(p_bytes) > c.size
			or length(p_bytes) < 262144 and p_n::bigint * 262144 + length(p_bytes) <> c.size then
		raise 'chunk % of content % is not wanted', p_n, hex(p_sha256) using errcode = '22023';
	end if;
	insert into content_chunk (sha256, n, bytes) values (p_sha256, p_n, p_bytes)
	on conflict (sha256, n) do update set bytes = excluded.bytes;
end
$$;

-- All of it is there: complete when p_found, the digest of the rows as the caller read them back, is its own. Reading
-- them one by one takes the memory of one row, where a digest in here would take that of two contents.
create function content_finish(p_sha256 bytea, p_found bytea) returns boolean
language plpgsql security definer set search_path = provbox, pg_temp as $$
declare
	is_complete_now boolean;
begin
	select is_complete into is_complete_now from content where sha256 = p_sha256 for update;
	if not found or is_complete_now then
		return coalesce(is_complete_now, false);
	end if;
	if p_found = p_sha256 and (select sum(length(bytes)) from content_chunk where sha256 = p_sha256)
			= (select size from content where sha256 = p_sha256) then
		update content set is_complete = true where sha256 = p_sha256;
		return true;
	end if;
	delete from content_chunk where sha256 = p_sha256;
	return false;
end
$$;

-- Take features and terms of a manifest into a version that nobody sees yet. The same manifest gives the same
-- version, so that an interrupted load goes on where it stopped. The shape of the manifest: doc/catalogue.md.
create function catalogue_begin(p_manifest jsonb,
	out version int, out published boolean, out missing text[])
language plpgsql security definer set search_path = provbox, pg_temp as $$
#variable_conflict use_column
declare
	digest bytea := sha256(convert_to(p_manifest::text, 'UTF8'));
	f jsonb;
	t jsonb;
	pos int := 0;
begin
	perform pg_advisory_xact_lock(hashtext('provbox.catalogue_begin'));
	select c.version, c.is_current into version, published from catalogue c where c.manifest_sha256 = digest;
	if not found then
		published := false;
		insert into catalogue (manifest_sha256, default_language)
		values (digest, p_manifest ->> 'default_language') returning catalogue.version into version;
		for f in select jsonb_array_elements(p_manifest -> 'features') loop
			pos := pos + 1;
			if concat(f ->> 'version', f ->> 'name', f ->> 'description') ~ '[\u0001-\u001f\u007f-\u009f]' then
				raise 'feature %: version, name or description has control characters', pos using errcode = '22023';
			end if;
			perform content_begin(decode(f #>> '{content,sha256}', 'hex'),
				(f #>> '{content,size}')::bigint, f #>> '{content,media_type}');
			insert into feature (catalogue, id, position, version, name, description, kind, uri, content, url,
				models, conflicts)
			values (catalogue_begin.version, f ->> 'id', pos, f ->> 'version', f ->> 'name',
				coalesce(f ->> 'description', ''), f ->> 'kind', f ->> 'uri',
				decode(f #>> '{content,sha256}', 'hex'), f #>> '{content,url}',
				(select array_agg(m) from jsonb_array_elements_text(f -> 'models') m),
				coalesce((select array_agg(c) from jsonb_array_elements_text(f -> 'conflicts') c), '{}'));
		end loop;
		for t in select jsonb_array_elements(p_manifest -> 'terms') loop
			if t ->> 'text' = ''
					or not message_fits((t ->> 'text') || E'\n' || answer_line(t ->> 'language', '0000')) then
				raise 'terms in % are empty, do not fit into 20 message parts, or have control characters',
					t ->> 'language' using errcode = '22023';
			end if;
			insert into terms (catalogue, language, version, text, sha256)
			values (catalogue_begin.version, t ->> 'language', t ->> 'version', t ->> 'text',
				sha256(convert_to(t ->> 'text', 'UTF8')));
		end loop;
		if pos = 0 or not exists (select from terms x where x.catalogue = catalogue_begin.version
				and x.language = p_manifest ->> 'default_language') then
			raise 'a manifest needs a feature, and terms in its default language' using errcode = '22023';
		end if;
	end if;
	select coalesce(array_agg(distinct hex(c.sha256)), '{}') into missing
	from feature x join content c on c.sha256 = x.content
	where x.catalogue = catalogue_begin.version and x.url is null and not c.is_complete;
end
$$;

-- Make a version the current one. Devices see the old one or the new one, never a part.
create function catalogue_publish(p_version int) returns void
language plpgsql security definer set search_path = provbox, pg_temp as $$
begin
	perform pg_advisory_xact_lock(hashtext('provbox.catalogue_begin'));
	if not exists (select from catalogue where version = p_version) or exists (
			select from feature f join content c on c.sha256 = f.content
			where f.catalogue = p_version and f.url is null and not c.is_complete) then
		raise 'catalogue % is not complete', p_version using errcode = '22023';
	end if;
	perform content_want(c.sha256, c.size, f.url) from feature f join content c on c.sha256 = f.content
	where f.catalogue = p_version and f.url is not null and not c.is_complete
	order by c.sha256;
	update catalogue set is_current = false where is_current and version <> p_version;
	update catalogue set is_current = true, published = coalesce(published, clock_timestamp())
	where version = p_version and not is_current;
	if found then
		perform event_put(null, null, 'catalogue_published', 'operator', null,
			jsonb_build_object('version', p_version));
	end if;
end
$$;

create function catalogue_list()
returns table (version int, is_current boolean, features bigint, languages text[], created timestamptz,
	published timestamptz)
language sql stable security definer set search_path = provbox, pg_temp as $$
	select version, is_current, (select count(*) from feature f where f.catalogue = c.version),
		(select array_agg(language order by language) from terms t where t.catalogue = c.version),
		created, published
	from catalogue c order by version desc
$$;

create function catalogue_show(p_version int)
returns table (id text, version text, kind text, name text, size bigint, media_type text, sha256 text,
	models text[], conflicts text[], uri text, url text, is_here boolean)
language sql stable security definer set search_path = provbox, pg_temp as $$
	select f.id, f.version, f.kind, f.name, c.size, c.media_type, hex(c.sha256), f.models, f.conflicts, f.uri, f.url,
		c.is_complete
	from feature f join content c on c.sha256 = f.content
	where f.catalogue = coalesce(p_version, catalogue_current()) order by f.position
$$;
