-- The wording of messages and the words that answer them, in the languages that there are, and what an operator adds.
set local search_path = provbox, pg_temp;

-- Wording. {code}, {items}, {offers}, {version} and {sha256} are replaced where the kind has them. English is the fallback.
create table template (
	kind text not null check (kind in ('answer_line', 'accepted', 'completed', 'failed', 'left_out',
		'in_conflict', 'status', 'code_list', 'wrong_code', 'accepted_before', 'declined_before',
		'offer_expired', 'offer_ended', 'stopped', 'started', 'mail_subject', 'mail_note', 'not_verified', 'not_checked')),
	language text not null,
	text text not null,
	primary key (kind, language)
);
insert into template (kind, language, text) values
('answer_line', 'en', 'Reply YES {code} or NO {code}'),
('accepted', 'en', 'You accepted the terms. On its way: {items}'),
('completed', 'en', 'Ready to use: {items}'),
('failed', 'en', 'This could not be set up: {items}'),
('left_out', 'en', 'Not available for you: {items}'),
('in_conflict', 'en', 'Does not go together with the rest: {items}'),
('status', 'en', 'We are still working on your order: {items}'),
('code_list', 'en', 'Please answer with the code of the offer.{offers}'),
('wrong_code', 'en', 'No offer has this code. Please check it and answer again.'),
('accepted_before', 'en', 'You accepted these terms before. Nothing has changed.'),
('declined_before', 'en', 'You declined these terms before. Nothing has changed.'),
('offer_expired', 'en', 'These terms were not answered in time. Please order again.'),
('offer_ended', 'en', 'This offer has ended. Please order again.'),
('mail_subject', 'en', 'The terms of your order'),
('mail_note', 'en', E'These terms, version {version}, were sent to your phone. Please answer there.\nSHA-256 {sha256}'),
('not_verified', 'en', 'Your details could not be confirmed. Please contact customer care.'),
('not_checked', 'en', 'Your details could not be checked in time. Please order again later.'),
('answer_line', 'de', 'Antworten Sie JA {code} oder NEIN {code}'),
('accepted', 'de', 'Sie haben die Bedingungen angenommen. Unterwegs: {items}'),
('completed', 'de', 'Bereit: {items}'),
('failed', 'de', 'Das konnte nicht eingerichtet werden: {items}'),
('left_out', 'de', 'Für Sie nicht verfügbar: {items}'),
('in_conflict', 'de', 'Passt nicht zum Übrigen: {items}'),
('status', 'de', 'Ihre Bestellung ist noch in Arbeit: {items}'),
('code_list', 'de', 'Bitte antworten Sie mit dem Code des Angebots.{offers}'),
('wrong_code', 'de', 'Kein Angebot hat diesen Code. Bitte prüfen Sie ihn und antworten Sie noch einmal.'),
('accepted_before', 'de', 'Sie haben diese Bedingungen schon angenommen. Es hat sich nichts geändert.'),
('declined_before', 'de', 'Sie haben diese Bedingungen schon abgelehnt. Es hat sich nichts geändert.'),
('offer_expired', 'de', 'Diese Bedingungen wurden nicht rechtzeitig beantwortet. Bitte bestellen Sie neu.'),
('offer_ended', 'de', 'Dieses Angebot ist beendet. Bitte bestellen Sie neu.'),
('mail_subject', 'de', 'Die Bedingungen Ihrer Bestellung'),
('mail_note', 'de', E'Diese Bedingungen, Fassung {version}, wurden an Ihr Telefon gesendet. Bitte antworten Sie dort.\nSHA-256 {sha256}'),
('not_verified', 'de', 'Ihre Angaben konnten nicht bestätigt werden. Bitte wenden Sie sich an den Kundendienst.'),
('not_checked', 'de', 'Ihre Angaben konnten nicht rechtzeitig geprüft werden. Bitte bestellen Sie später noch einmal.'),
('answer_line', 'el', 'Απαντήστε ΝΑΙ {code} ή ΟΧΙ {code}'),
('accepted', 'el', 'Αποδεχτήκατε τους όρους. Καθ'' οδόν: {items}'),
('completed', 'el', 'Έτοιμο για χρήση: {items}'),
('failed', 'el', 'Δεν ήταν δυνατή η εγκατάσταση: {items}'),
('left_out', 'el', 'Δεν διατίθεται για εσάς: {items}'),
('in_conflict', 'el', 'Δεν συνδυάζεται με τα υπόλοιπα: {items}'),
('status', 'el', 'Επεξεργαζόμαστε ακόμα την παραγγελία σας: {items}'),
('code_list', 'el', 'Παρακαλούμε απαντήστε με τον κωδικό της προσφοράς.{offers}'),
('wrong_code', 'el', 'Καμία προσφορά δεν έχει αυτόν τον κωδικό. Ελέγξτε τον και απαντήστε ξανά.'),
('accepted_before', 'el', 'Έχετε ήδη αποδεχτεί αυτούς τους όρους. Τίποτα δεν άλλαξε.'),
('declined_before', 'el', 'Έχετε ήδη απορρίψει αυτούς τους όρους. Τίποτα δεν άλλαξε.'),
('offer_expired', 'el', 'Οι όροι αυτοί δεν απαντήθηκαν εγκαίρως. Παραγγείλετε ξανά.'),
('offer_ended', 'el', 'Η προσφορά αυτή έληξε. Παραγγείλετε ξανά.'),
('mail_subject', 'el', 'Οι όροι της παραγγελίας σας'),
('mail_note', 'el', E'Αυτοί οι όροι, έκδοση {version}, στάλθηκαν στο τηλέφωνό σας. Απαντήστε από εκεί.\nSHA-256 {sha256}'),
('not_verified', 'el', 'Τα στοιχεία σας δεν επιβεβαιώθηκαν. Επικοινωνήστε με την εξυπηρέτηση πελατών.'),
('not_checked', 'el', 'Τα στοιχεία σας δεν ελέγχθηκαν εγκαίρως. Δοκιμάστε ξανά αργότερα.'),
('answer_line', 'pl', 'Odpowiedz TAK {code} albo NIE {code}'),
('accepted', 'pl', 'Warunki zostały przyjęte. W drodze: {items}'),
('completed', 'pl', 'Gotowe do użycia: {items}'),
('failed', 'pl', 'Nie udało się skonfigurować: {items}'),
('left_out', 'pl', 'Niedostępne: {items}'),
('in_conflict', 'pl', 'Nie łączy się z resztą: {items}'),
('status', 'pl', 'Wciąż realizujemy Twoje zamówienie: {items}'),
('code_list', 'pl', 'Odpowiedz, podając kod oferty.{offers}'),
('wrong_code', 'pl', 'Żadna oferta nie ma tego kodu. Sprawdź go i odpowiedz ponownie.'),
('accepted_before', 'pl', 'Te warunki zostały już przyjęte. Nic się nie zmieniło.'),
('declined_before', 'pl', 'Te warunki zostały już odrzucone. Nic się nie zmieniło.'),
('offer_expired', 'pl', 'Na te warunki nie odpowiedziano na czas. Zamów ponownie.'),
('offer_ended', 'pl', 'Ta oferta jest zakończona. Zamów ponownie.'),
('mail_subject', 'pl', 'Warunki zamówienia'),
('mail_note', 'pl', E'Te warunki, wersja {version}, wysłano na Twój telefon. Odpowiedz tam.\nSHA-256 {sha256}'),
('not_verified', 'pl', 'Nie udało się potwierdzić Twoich danych. Skontaktuj się z obsługą klienta.'),
('not_checked', 'pl', 'Nie udało się sprawdzić Twoich danych na czas. Zamów ponownie później.'),
('answer_line', 'bg', 'Отговорете ДА {code} или НЕ {code}'),
('accepted', 'bg', 'Приехте условията. Изпраща се: {items}'),
('completed', 'bg', 'Готово за ползване: {items}'),
('failed', 'bg', 'Не можа да бъде настроено: {items}'),
('left_out', 'bg', 'Не се предлага за Вас: {items}'),
('in_conflict', 'bg', 'Не се съчетава с останалото: {items}'),
('status', 'bg', 'Все още работим по поръчката Ви: {items}'),
('code_list', 'bg', 'Моля, отговорете с кода на офертата.{offers}'),
('wrong_code', 'bg', 'Няма оферта с този код. Моля, проверете го и отговорете отново.'),
('not_verified', 'bg', 'Данните Ви не бяха потвърдени. Моля, обърнете се към обслужване на клиенти.'),
('not_checked', 'bg', 'Данните Ви не бяха проверени навреме. Моля, поръчайте отново по-късно.'),
('accepted_before', 'bg', 'Вече приехте тези условия. Нищо не е променено.'),
('declined_before', 'bg', 'Вече отказахте тези условия. Нищо не е променено.'),
('offer_expired', 'bg', 'На тези условия не беше отговорено навреме. Моля, поръчайте отново.'),
('offer_ended', 'bg', 'Тази оферта приключи. Моля, поръчайте отново.'),
('mail_subject', 'bg', 'Условията на Вашата поръчка'),
('mail_note', 'bg', E'Тези условия, версия {version}, бяха изпратени на Вашия телефон. Моля, отговорете оттам.\nSHA-256 {sha256}'),
('stopped', 'en', 'You will get no more messages about your services, only what you ask for and terms. Reply START to get them again.'),
('started', 'en', 'You will get messages about your services again. Reply STOP to end them.'),
('stopped', 'de', 'Sie erhalten keine Nachrichten zu Ihren Diensten mehr, nur noch Antworten und Bedingungen. Mit START erhalten Sie sie wieder.'),
('started', 'de', 'Sie erhalten wieder Nachrichten zu Ihren Diensten. Mit STOPP beenden Sie das.'),
('stopped', 'el', 'Δεν θα λαμβάνετε πλέον μηνύματα για τις υπηρεσίες σας, μόνο απαντήσεις και όρους. Για επαναφορά απαντήστε START.'),
('started', 'el', 'Θα λαμβάνετε ξανά μηνύματα για τις υπηρεσίες σας. Για διακοπή απαντήστε STOP.'),
('stopped', 'pl', 'Nie będziemy wysyłać wiadomości o usługach, tylko odpowiedzi i warunki. Aby je wznowić, odpowiedz START.'),
('started', 'pl', 'Znów będziemy wysyłać wiadomości o usługach. Aby je zatrzymać, odpowiedz STOP.'),
('stopped', 'bg', 'Няма да получавате повече съобщения за услугите си, а само отговори и условия. За възобновяване отговорете СТАРТ.'),
('started', 'bg', 'Отново ще получавате съобщения за услугите си. За прекратяване отговорете СТОП.');

-- Words that answer, as folded() gives them. A word means the same in every language it is known in.
create table answer_word (
	word text primary key check (word = folded(word)),
	language text not null,
	answer text not null check (answer in ('accept', 'decline', 'stop', 'start'))
);
insert into answer_word (language, word, answer) values
('en', 'yes', 'accept'), ('en', 'no', 'decline'),
('de', 'ja', 'accept'), ('de', 'nein', 'decline'),
('el', 'ναι', 'accept'), ('el', 'οχι', 'decline'), ('el', 'όχι', 'decline'),
('el', 'nai', 'accept'), ('el', 'oxi', 'decline'),
('pl', 'tak', 'accept'), ('pl', 'nie', 'decline'),
('bg', 'да', 'accept'), ('bg', 'не', 'decline'), ('bg', 'da', 'accept'), ('bg', 'ne', 'decline'),
('en', 'stop', 'stop'), ('en', 'start', 'start'), ('de', 'stopp', 'stop'),
('el', 'στοπ', 'stop'), ('el', 'διακοπη', 'stop'), ('el', 'διακοπή', 'stop'),
('el', 'εναρξη', 'start'), ('el', 'έναρξη', 'start'),
('bg', 'стоп', 'stop'), ('bg', 'старт', 'start');

-- Of these languages the best for a wanted one: itself, the same without region, else the fallback.
create function language_match(p_wanted text, p_have text[], p_fallback text) returns text
language plpgsql immutable set search_path = provbox, pg_temp as $$
begin
	return (
		select coalesce(
			(select h from unnest(p_have) h where lower(h) = lower(p_wanted)),
			(select h from unnest(p_have) h where lower(h) = lower(split_part(p_wanted, '-', 1))),
			p_fallback)
	);
end
$$;

-- The language in which there is a wording for who wants another one.
create function template_language(p_kind text, p_wanted text) returns text
language plpgsql stable set search_path = provbox, pg_temp as $$
begin
	return language_match(p_wanted, (select array_agg(language) from template where kind = p_kind), 'en');
end
$$;

create function template_text(p_kind text, p_language text) returns text
language plpgsql stable set search_path = provbox, pg_temp as $$
begin
	return (select text from template where kind = p_kind and language = template_language(p_kind, p_language));
end
$$;

create function answer_line(p_language text, p_code text) returns text
language plpgsql stable set search_path = provbox, pg_temp as $$
begin
	return replace(template_text('answer_line', p_language), '{code}', p_code);
end
$$;

-- The operator -------------------------------------------------------------------------------------------------

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
		raise 'no such wording: %; see provctl wording list', left(p_kind, 40) using errcode = '22023';
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
		raise '% is there, as % in %; a word means one thing', new_word, known.answer, known.language using errcode = '22023';
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
