-- Copies of the terms, beside the message to the subscriber's number: by mail, and as a document for a fax service. They
-- have no code: an offer is answered from its number or on its device.
set local search_path = provbox, pg_temp;

-- What the mail lane of the courier makes a message of. The text of the terms is unchanged and stands first.
create function terms_mail(p_to text, p_terms terms) returns jsonb
language plpgsql stable set search_path = provbox, pg_temp as $$
begin
	return jsonb_build_object('to', p_to, 'language', p_terms.language,
		'date', to_char(clock_timestamp() at time zone 'UTC', 'Dy, DD Mon YYYY HH24:MI:SS') || ' +0000',
		'subject', template_text('mail_subject', p_terms.language),
		'text', p_terms.text || E'\n\n-- \n' || replace(replace(template_text('mail_note', p_terms.language),
			'{version}', p_terms.version), '{sha256}', hex(p_terms.sha256)));
end
$$;

-- What is posted to the document hook (doc/offers.md).
create function terms_document(p_request request, p_fax text, p_terms terms) returns jsonb
language plpgsql stable set search_path = provbox, pg_temp as $$
begin
	return jsonb_build_object('v', 1, 'document', 'terms', 'request', p_request.id, 'made', rfc3339(clock_timestamp()),
		'to', jsonb_build_object('fax', p_fax), 'language', p_terms.language, 'version', p_terms.version,
		'sha256', hex(p_terms.sha256), 'text', p_terms.text);
end
$$;

-- Send copies of offered terms to the addresses of the device record.
create function terms_copy(p_request request, p_device device, p_terms terms) returns void
language plpgsql set search_path = provbox, pg_temp as $$
declare
	head text := request_key(p_request.rid) || '/terms/';
begin
	if p_device.email is not null then
		perform outbox_put('mail', head || 'mail', p_request.rid, null, terms_mail(p_device.email, p_terms));
		perform event_put(p_device.dev, p_request.rid, 'mail_queued', 'server', null,
			jsonb_build_object('address', masked_email(p_device.email)));
	end if;
	if p_device.fax is not null then
		perform outbox_put('hook', head || 'fax', p_request.rid, null,
			terms_document(p_request, p_device.fax, p_terms));
		perform event_put(p_device.dev, p_request.rid, 'hook_queued', 'server', null,
			jsonb_build_object('fax', masked(p_device.fax)));
	end if;
end
$$;
