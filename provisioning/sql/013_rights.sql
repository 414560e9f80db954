-- Who may call what of the files before this one; each later file ends with the rights on its own functions. No role but
-- the owner has a right on a table, a view or a sequence.
set local search_path = provbox, pg_temp;

do $$
declare
	f text;
begin
	foreach f in array array['authentication_read', 'session_end', 'changes_read', 'control_forget',
			'device_read', 'catalogue_read', 'request_put', 'request_read', 'request_delete', 'terms_read', 'answer_put',
			'item_result_put', 'retransmission_post', 'content_open', 'content_chunk_read', 'outbox_lease', 'outbox_done',
			'outbox_retry', 'requests_expire', 'queue_read', 'schema_serves'] loop
		execute format('grant execute on function %I to provbox_server', f);
	end loop;
	foreach f in array array['mo_receive', 'queue_read', 'schema_serves'] loop
		execute format('grant execute on function %I to provbox_smsc', f);
	end loop;
	foreach f in array array['device_import', 'device_show', 'device_events', 'device_block', 'device_limit',
			'device_unblock', 'device_trust', 'catalogue_begin', 'content_begin', 'content_chunk_put',
			'content_finish', 'catalogue_publish', 'catalogue_list', 'catalogue_show', 'request_list', 'request_show',
			'agreement_read', 'notice_list', 'setting_list', 'setting_put', 'policy_list', 'policy_put', 'reason_list',
			'status_read', 'schema_list', 'schema_version_read'] loop
		execute format('grant execute on function %I to provbox_operator', f);
	end loop;
end
$$;
