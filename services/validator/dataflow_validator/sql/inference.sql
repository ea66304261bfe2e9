-- name: waiting_topics
-- Up to $2 unrouted topics that match the regular expression $1, most messages first, and how many messages in all.
SELECT topic, messages, sum(messages) OVER ()::bigint AS waiting FROM (
    SELECT topic, sum(items)::bigint AS messages
    FROM (SELECT topic, items FROM validator.quarantine_total WHERE kind = 'UNROUTED'
          UNION ALL SELECT topic, items FROM validator.quarantine_change WHERE kind = 'UNROUTED') t
    WHERE topic ~ $1
    GROUP BY topic
    HAVING sum(items) > 0) c
ORDER BY messages DESC, topic
LIMIT $2;

-- name: unrouted_sample
-- Of each topic of $1 the newest $2 and the oldest $2 messages whose payload is not longer than $3.
SELECT q.topic, q.payload, q.device_id, q.receive_time FROM unnest($1::text[]) AS wanted (topic)
CROSS JOIN LATERAL (
    (SELECT quarantine_id FROM validator.quarantine i WHERE i.kind = 'UNROUTED' AND i.topic = wanted.topic
     ORDER BY receive_time DESC, quarantine_id DESC LIMIT $2)
    UNION
    (SELECT quarantine_id FROM validator.quarantine i WHERE i.kind = 'UNROUTED' AND i.topic = wanted.topic
     ORDER BY receive_time, quarantine_id LIMIT $2)
) ids
JOIN validator.quarantine q USING (quarantine_id)
WHERE octet_length(q.payload) <= $3;

-- name: newest_batches
SELECT batch_id, commit_time FROM validator.raw_log ORDER BY commit_time DESC, batch_id DESC LIMIT $1;

-- name: batch_bytes
SELECT bytes FROM validator.raw_log WHERE batch_id = $1 AND commit_time = $2;
