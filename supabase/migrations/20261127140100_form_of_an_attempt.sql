-- A template whose answer is lost is looked for as a template.

-- Takes messages for one attempt each, before anything is sent: JSON [{"id", "token", "spacing", "burst", "from_state",
-- "as_template"}, ...]. The form is kept with the claim: an answer that is lost must not take the knowledge along whether the
-- words are ours or the provider's. The release before does not tell it, and leaves it as it is.
-- The answer is an array in the same order of
--   {"claimed": true, "attempt": n}   now it is this worker's; the same token asks again without harm
--   {"claimed": false}                somebody else's, or over
--   {"claimed": false, "wait_until": t}   too early, or too soon after the last one to the same recipient
-- A recipient's row is locked meanwhile: two workers cannot both see it free. `spacing` seconds lie between two messages to
-- one recipient; `burst` of them may be borrowed from later. Whoever claims several names them in the order of their
-- recipients, so that two processes never wait for each other.
create or replace function claim_messages(wanted text) returns jsonb
language plpgsql volatile set plan_cache_mode = force_generic_plan as $$
declare
  w record; m record; free_at timestamptz; moment timestamptz; gap interval; told jsonb; answers jsonb := '[]';
begin
  for w in select value->>'id' as id, value->>'token' as token, (value->>'spacing')::numeric as spacing,
                  (value->>'burst')::integer as burst, value->>'from_state' as from_state,
                  (value->>'as_template')::boolean as as_template
             from jsonb_array_elements(wanted::jsonb) loop
    told := '{"claimed": false}';
    moment := clock_timestamp();
    gap := w.spacing * interval '1 second';
    select o.state, o.claim_token, o.attempts, o.not_before, o.channel, o.recipient into m
      from public.messages o where o.message_id = w.id::bigint for update;
    if m.state = 'sending' and m.claim_token = w.token then
      told := jsonb_build_object('claimed', true, 'attempt', m.attempts);
    elsif m.state = w.from_state and m.not_before > moment then
      told := jsonb_build_object('claimed', false, 'wait_until', m.not_before);
    elsif m.state = w.from_state then
      insert into public.contacts as c (channel, address, next_send_at, last_outbound_at)
        values (m.channel, m.recipient, moment + gap, moment)
        on conflict (channel, address) do update
          set next_send_at = greatest(c.next_send_at, moment) + gap, last_outbound_at = moment
          where c.next_send_at is null or c.next_send_at - w.burst * gap <= moment;
      if found then
        update public.messages o
           set state = 'sending', state_at = moment, attempts = m.attempts + 1, open_attempt = m.attempts + 1,
               claim_token = w.token, claimed_at = moment, unclear_since = null, provider_id = null,
               as_template = coalesce(w.as_template, o.as_template)
         where o.message_id = w.id::bigint;
        told := jsonb_build_object('claimed', true, 'attempt', m.attempts + 1);
      else
        select c.next_send_at into free_at from public.contacts c where c.channel = m.channel and c.address = m.recipient;
        told := jsonb_build_object('claimed', false, 'wait_until', free_at - w.burst * gap);
      end if;
    end if;
    answers := answers || jsonb_build_array(told);
  end loop;
  return answers;
end $$;

select protect_schema();
notify pgrst, 'reload schema';
