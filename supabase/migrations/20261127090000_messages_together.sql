-- What a process does with several messages at about the same moment goes in one trip: reading them, taking their turns,
-- claiming them, and writing that the provider took them, with which their tasks end. Each function is planned once per connection: it names the
-- schema instead of setting its search path, which would have every plan under it checked anew at each call. The
-- processes of the release before go on with `claim_message` and `reserve_turn`, which keep the same rows.

-- Messages with everything that decides whether and how they go out; `wanted` is a JSON array of their ids.
create or replace function messages_to_send(wanted text) returns setof message_to_send
language plpgsql stable set plan_cache_mode = force_generic_plan as $$
begin
  return query select m.* from public.message_to_send m
   where m.message_id = any (array(select value::bigint from jsonb_array_elements_text(wanted::jsonb)));
end $$;

-- `how_many` places in the line of `bucket`, one behind the other: [now, the first turn] in seconds since 1970; the others
-- follow 1 / `per_second` apart. Else as `reserve_turn`.
create or replace function reserve_turns(bucket text, per_second double precision, burst integer, how_many integer)
returns jsonb language plpgsql volatile as $$
declare
  gap interval := interval '1 second' / per_second; behind timestamptz;
begin
  perform set_config('synchronous_commit', 'off', true);
  insert into public.task_paces as p (name, next_at) values (bucket, clock_timestamp() + how_many * gap)
  on conflict (name) do update set next_at = greatest(p.next_at, clock_timestamp()) + how_many * gap
  returning next_at into behind;
  return jsonb_build_array(
    extract(epoch from clock_timestamp()), extract(epoch from behind - (how_many + burst - 1) * gap));
end $$;

-- Takes messages for one attempt each, before anything is sent: JSON [{"id", "token", "spacing", "burst", "from_state"}, ...].
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
                  (value->>'burst')::integer as burst, value->>'from_state' as from_state
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
               claim_token = w.token, claimed_at = moment, unclear_since = null, provider_id = null
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

-- The provider took messages, and their tasks end with that: `rows` is JSON [{"id", "token", "attempt", "state", "provider",
-- "provider_id", "as_template"}, ...], `finished` and the answer are those of `finish_tasks`. Reports may be here already:
-- then only the provider's id is missing. Said twice it holds once. In the order of messages, as reports are stored: two
-- processes must not wait for each other.
create or replace function accept_messages(rows text, finished text) returns jsonb
language plpgsql volatile set plan_cache_mode = force_generic_plan as $$
declare
  t record;
begin
  for t in select (value->>'id')::bigint as id, value->>'token' as token, (value->>'attempt')::smallint as attempt,
                  value->>'state' as state, value->>'provider' as provider, value->>'provider_id' as provider_id,
                  (value->>'as_template')::boolean as as_template
             from jsonb_array_elements(rows::jsonb) order by 1 loop
    update public.messages m
       set state = t.state, state_at = now(), error_code = null, reason = null, settled = true, unclear_since = null,
           as_template = t.as_template, sent_at = case when t.state = 'sent' then now() else m.sent_at end,
           provider = case when m.provider_id is null then t.provider else m.provider end,
           provider_id = coalesce(m.provider_id, t.provider_id)
     where m.message_id = t.id and m.claim_token = t.token and m.state in ('sending', 'unclear');
    if not found then
      update public.messages m set provider = t.provider, provider_id = t.provider_id
       where m.message_id = t.id and m.claim_token = t.token and m.provider_id is null and t.provider_id is not null;
    end if;
    insert into public.message_events (message_id, attempt, source, status, detail)
    select t.id, t.attempt, 'portal', t.state, '[' || t.provider || ']'
     where exists (select from public.messages m where m.message_id = t.id) and not exists (
       select from public.message_events e where e.message_id = t.id and e.source = 'portal' and e.status = t.state
          and e.attempt = t.attempt);
  end loop;
  return public.finish_tasks(finished);
end $$;

-- What the portal notes itself moves no message: not even a call is made for it.
drop trigger hear_of_message on message_events;
create trigger hear_of_message after insert on message_events for each row
  when (new.source <> 'portal') execute function hear_of_message();

create or replace function catch_up_with_events() returns trigger
language plpgsql set plan_cache_mode = force_generic_plan as $$
declare
  event public.message_events;
begin
  for event in select e.* from public.message_events e
                where e.provider_id = new.provider_id and e.source = new.provider and e.message_id is null
                order by e.event_id loop
    perform public.move_message(event);
    update public.message_events e set message_id = new.message_id where e.event_id = event.event_id;
  end loop;
  return null;
end $$;
alter function catch_up_with_events reset search_path;

select protect_schema();
notify pgrst, 'reload schema';
