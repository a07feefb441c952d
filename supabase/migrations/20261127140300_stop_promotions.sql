-- What the bot answers to somebody who wants no promotions any more, and goes on reading about the own policies.
insert into message_template_defaults (key, channel, language, title, subject, body, html_body, variables, has_document) values
  ('bot.promotions_stopped', 'whatsapp', 'en', 'Bot: promotions stopped', null, 'You will get no more promotions from {{agency}}. Messages about your policies still come. Write STOP to end those as well.', null, '["agency"]', false),
  ('bot.promotions_stopped', 'whatsapp', 'hi', 'Bot: promotions stopped', null, 'अब आपको {{agency}} से कोई प्रचार संदेश नहीं मिलेगा। आपकी पॉलिसियों के बारे में संदेश आते रहेंगे। उन्हें भी बंद करने के लिए STOP लिखें।', null, '["agency"]', false),
  ('bot.promotions_stopped', 'whatsapp', 'gu', 'Bot: promotions stopped', null, 'હવે તમને {{agency}} તરફથી કોઈ પ્રચાર સંદેશ નહીં મળે. તમારી પૉલિસીઓ વિશેના સંદેશા આવતા રહેશે. તે પણ બંધ કરવા STOP લખો.', null, '["agency"]', false),
  ('bot.promotions_stopped', 'whatsapp', 'mr', 'Bot: promotions stopped', null, 'आता तुम्हाला {{agency}} कडून कोणतेही जाहिरातीचे संदेश येणार नाहीत. तुमच्या पॉलिसींबद्दलचे संदेश येत राहतील. तेही थांबवण्यासाठी STOP लिहा.', null, '["agency"]', false)
on conflict (key, channel, language) do nothing;
insert into message_templates (key, channel, language, title, body, variables)
  select key, channel, language, title, body, variables from message_template_defaults where key = 'bot.promotions_stopped'
on conflict (key, channel, language) do nothing;

select protect_schema();
notify pgrst, 'reload schema';
