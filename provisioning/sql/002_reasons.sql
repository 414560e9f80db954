-- The reason codes. A code is added by a later migration; none is ever taken away.
set local search_path = provbox, pg_temp;

-- Only these may be given by a device as the reason of a failed item.
alter table reason add column is_from_device boolean not null default false;

insert into reason (code, meaning, advice) values
-- who may come in
('device_unknown', 'The device has not been imported.', 'Import it with "provctl device import", or change the policy.'),
('device_blocked', 'The device is blocked.', 'See "provctl device show"; an operator decides.'),
('device_registered', 'The policy registered a device that was not imported.', 'Add its number and subscriber with "provctl device import".'),
('credential_mismatch', 'The device showed another credential than the pinned one.', 'Find out whether the device was cloned or its certificate renewed; import the new credential or block the device.'),
('standing_limited', 'The device may reach customer care only.', 'Its standing must change before it can be provisioned.'),
('account_opened', 'The first request of the device was done.', 'Nothing to do.'),
('operator_decision', 'An operator decided so.', 'The detail of the event may say why.'),
('grant_epoch', 'The grant is older than the last change of the device''s standing.', 'The gateway authenticates again by itself.'),
('grant_expired', 'The grant is too old.', 'The gateway authenticates again by itself.'),
('grant_invalid', 'The grant does not verify.', 'Compare the grant keys of the servers of one name; else treat it as an attack.'),
('authentication_failed', 'Mutual authentication failed.', 'See the log line of the gateway for the session.'),
('session_closed', 'The device ended the session.', 'Nothing to do.'),
('idle_timeout', 'The session was idle for too long.', 'Nothing to do.'),
('landnet_desync', 'An answer of the server did not belong to its request.', 'The connection was closed; look for an older error of the server.'),
('landnet_busy', 'No connection to the server became free in time.', 'Add servers, or enlarge the pool of the gateway.'),
('landnet_down', 'The gateway could not reach the server.', 'See whether the server runs and its certificate is valid.'),
('proof_invalid', 'The server''s proof did not verify.', 'Compare the proof key of the server with what the gateway pins; else treat it as an attack.'),
('reason_unlisted', 'A program gave a reason that is not in this table.', 'The detail of the event has it; the programs may be newer than the schema.'),
-- what a request may meet
('body_invalid', 'The body does not have the documented members and shapes.', 'Compare with doc/openapi.yaml.'),
('accounting_reference_invalid', 'The accounting reference is not a token, or looks like a card number.', 'Send 8 to 64 of A-Z a-z 0-9 . _ ~ -, never a card number.'),
('request_conflict', 'The request id was used with another body.', 'Make a new id for a new request.'),
('request_unknown', 'The device has no request of this id.', 'Put the request first.'),
('catalogue_empty', 'No catalogue is published.', 'Load one with "provctl catalogue load".'),
('catalogue_changed', 'The catalogue is newer than the one the device read.', 'Read the catalogue again and choose from it.'),
('too_many_requests', 'The device has too many open or recent requests.', 'Wait until some have ended, or raise open_requests or requests_per_hour.'),
('too_many_messages', 'Too many messages for this number within an hour.', 'Wait, or raise messages_per_hour.'),
('terms_unknown', 'No terms were offered in this request.', 'See the state of the request.'),
('terms_mismatch', 'The answer names other terms than those offered.', 'Read the terms of the request again.'),
('answer_final', 'The terms were answered otherwise before.', 'Make a new request.'),
('wrong_state', 'The request is not in a state where this can happen.', 'See the state of the request.'),
('item_unknown', 'The request has no such item.', 'See the items of the request.'),
('result_final', 'The item has another result already.', 'Make a new request.'),
('content_unknown', 'No accepted request of the device needs this content.', 'Answer the terms first.'),
-- how a request may end
('device_mismatch', 'The device information is not that of the session or of the operator''s record.', 'Compare the request with "provctl device show".'),
('user_mismatch', 'The user information does not match the operator''s record.', 'Compare name and postcode with the subscriber; correct the import or try again.'),
('no_item_available', 'No requested item can be provided.', 'See the reason of each item.'),
('terms_declined', 'The terms were declined.', 'Nothing to do.'),
('offer_expired', 'The terms were not answered in time.', 'Make a new request; see terms_lifetime.'),
('too_many_wrong_codes', 'Answers by SMS had a wrong code too often.', 'Make a new request; see wrong_codes.'),
('no_item_installed', 'The device installed none of the items.', 'See the reason of each item.'),
('request_ended', 'The request ended before the item was installed.', 'See the reason of the request.'),
-- how an item may end
('feature_unknown', 'The catalogue has no such feature.', 'Choose from the catalogue.'),
('model_unfit', 'The feature does not fit the model of the device.', 'See the models of the feature in the catalogue.'),
('conflict_requested', 'The item conflicts with another of the request.', 'Request one of the two.'),
('conflict_installed', 'The item conflicts with an installed feature.', 'The catalogue names the conflict.'),
('install_failed', 'The device could not install the item.', 'The detail of the event has what the device said.'),
('digest_mismatch', 'What the device received has another digest than the catalogue says.', 'Try again; if it stays, load the content again.'),
('self_test_failed', 'The installed module failed its self-test.', 'The module does not fit this device.'),
('storage_full', 'The device has no room for the item.', 'Free storage on the device.'),
('download_failed', 'The device could not fetch the content.', 'Try again.'),
-- messages and other effects
('message_refused', 'Kannel refused the message for good.', 'See the log of bearerbox; the number may not be routable.'),
('message_rejected', 'The message centre rejected the message.', 'The detail of the event has its answer.'),
('message_undelivered', 'The message could not be delivered to the handset.', 'The detail of the event has the report.'),
('message_too_long', 'The text does not fit into 20 parts.', 'Shorten the terms or the template.'),
('message_limit', 'A notice was not sent: too many messages for this number within an hour.', 'Raise messages_per_hour if this was no abuse.'),
('link_busy', 'Kannel could not take the message for now.', 'It is sent again by itself.'),
('link_down', 'There was no connection to Kannel.', 'See whether bearerbox runs; it is sent again by itself.'),
('effect_failed', 'A system outside could not be reached or answered with an error.', 'It is tried again by itself; see the detail.'),
('effect_refused', 'A system outside refused for good.', 'See the detail and the log of that system.'),
('given_up', 'All attempts failed for too long.', 'Mend the cause; see give_up.'),
-- messages from handsets
('mo_not_understood', 'The message was no answer.', 'Nothing to do.'),
('mo_not_allowed', 'The message came by a link or to a number from which answers do not count.', 'See mo_smsc_ids and short_code.'),
('mo_no_offer', 'No offer is open for this number.', 'Nothing to do.'),
('mo_too_early', 'The answer came before Kannel had all parts of the terms.', 'The subscriber answers again when the terms have come.'),
('mo_code_needed', 'Several offers are open for this number, and the answer has no code.', 'The subscriber was told the codes.'),
('mo_wrong_code', 'The answer has a code that no open offer of this number has.', 'The subscriber was told.');

update reason set is_from_device = true
where code in ('install_failed', 'digest_mismatch', 'self_test_failed', 'storage_full', 'download_failed');
