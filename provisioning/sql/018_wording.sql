-- What an operator adds to the languages that there are: wording of messages, and words that answer.
set local search_path = provbox, pg_temp;

-- The names between braces in a wording, in order.
create function placeholders(p_text text) returns text[]
language sql immutable as $$
	select coalesce(array_agg(distinct m[1] order by m[1]), '{}') from regexp_matches(p_text, '\{([a-z0-9]*)\}', 'g') m
$$;

create function wording_list() returns table (kind text, language text, text text)
language sql stable security definer set search_path = provbox, pg_temp as $$
	select kind, language, text from template order by kind, language
$$;

-- Add or change a wording. Raises 22023 for a kind that there is not in English, and for a text that is too long, has
-- control characters, or other placeholders than the English one.
create function wording_put(p_kind text, p_language text, p_text text) returns void
language plpgsql security definer set search_path = provbox, pg_temp as $$
declare
	english text := (select text from template where kind = p_kind and language = 'en');
begin
	if english is null then
		raise 'no such wording: %; see "wording list"', left(p_kind, 40) using errcode = '22023';
	elsif p_language !~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$' then
		raise 'not a language tag: %', left(p_language, 40) using errcode = '22023';
	elsif length(p_text) not between 1 and 300 or p_text ~ '[\u0001-\u0009\u000b-\u001f\u007f-\u009f]' then
		raise 'a wording has 1 to 300 characters, and no control characters but line feeds' using errcode = '22023';
	elsif placeholders(p_text) <> placeholders(english) then
		raise 'the wording % has {%}', p_kind, coalesce(nullif(array_to_string(placeholders(english), '}, {'), ''),
			'none') using errcode = '22023';
	end if;
	insert into template (kind, language, text) values (p_kind, p_language, p_text)
	on conflict (kind, language) do update set text = excluded.text;
	perform event_put(null, null, 'wording_changed', 'operator', null,
		jsonb_build_object('wording', p_kind, 'language', p_language));
end
$$;

create function word_list() returns table (word text, language text, answer text)
language sql stable security definer set search_path = provbox, pg_temp as $$
	select word, language, answer from answer_word order by answer, language, word
$$;

-- Add a word that answers. Raises 22023 for what is no word, and for one that means something else in another language:
-- who answers need not say in which.
create function word_put(p_word text, p_language text, p_answer text) returns void
language plpgsql security definer set search_path = provbox, pg_temp as $$
declare
	known answer_word;
	new_word text := folded(p_word);
begin
	select * into known from answer_word where word = new_word;
	if known.answer <> p_answer then
		raise '% is % in %', new_word, known.answer, known.language using errcode = '22023';
	elsif new_word !~ '^[^0-9\s.,;:!"'']{1,40}$' or new_word ~ '[\u0001-\u001f\u007f-\u009f]' then
		raise 'one word, without digits and punctuation: %', left(p_word, 40) using errcode = '22023';
	elsif p_answer not in ('accept', 'decline', 'stop', 'start') then
		raise 'a word can accept, decline, stop or start' using errcode = '22023';
	elsif p_language !~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$' then
		raise 'not a language tag: %', left(p_language, 40) using errcode = '22023';
	end if;
	insert into answer_word (word, language, answer) values (new_word, p_language, p_answer) on conflict do nothing;
	if found then
		perform event_put(null, null, 'word_added', 'operator', null,
			jsonb_build_object('word', new_word, 'language', p_language, 'answer', p_answer));
	end if;
end
$$;

-- The terms of a version of the catalogue, or of the current one.
create function catalogue_terms(p_version int)
returns table (language text, version text, is_default boolean, characters int, sha256 text, text text)
language sql stable security definer set search_path = provbox, pg_temp as $$
	select t.language, t.version, t.language = c.default_language, length(t.text), hex(t.sha256), t.text
	from terms t join catalogue c on c.version = t.catalogue
	where t.catalogue = coalesce(p_version, catalogue_current()) order by t.language
$$;

grant execute on function wording_list, wording_put, word_list, word_put, catalogue_terms to provbox_operator;
