-- "work": what Today shows besides the book itself. What failed and what was talked about are noted when they begin or end to
-- be so; most messages and tasks never fail, and note nothing.
create trigger note_change after insert or update or delete or truncate on work_marks
  for each statement execute function note_change('work');
create trigger note_failed after insert on messages
  for each row when (new.state = 'failed') execute function note_change('work');
create trigger note_failing after update on messages
  for each row when (new.state = 'failed' or old.state = 'failed') execute function note_change('work');
create trigger note_gone after delete on messages
  for each row when (old.state = 'failed') execute function note_change('work');
create trigger note_dead after insert on tasks
  for each row when (new.state = 'dead') execute function note_change('work');
create trigger note_dying after update on tasks
  for each row when (new.state = 'dead' or old.state = 'dead') execute function note_change('work');
create trigger note_gone after delete on tasks
  for each row when (old.state = 'dead') execute function note_change('work');
create trigger note_talk after insert on renewals
  for each row when (new.stage <> 'due' or new.snoozed_until is not null) execute function note_change('work');
create trigger note_more_talk after update on renewals
  for each row when ((old.stage, old.snoozed_until) is distinct from (new.stage, new.snoozed_until))
  execute function note_change('work');
create trigger note_gone after delete on renewals
  for each statement execute function note_change('work');
create trigger note_birthday after update on members
  for each row when (
    (old.date_of_birth, old.date_of_birth_sealed, old.birthday, old.relation, old.phone)
    is distinct from (new.date_of_birth, new.date_of_birth_sealed, new.birthday, new.relation, new.phone))
  execute function note_change('work');

select protect_schema();
notify pgrst, 'reload schema';
