import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import java.util.zip.CRC32;

/** A client of dalsegno's wire protocol. One whose connection is lost is to be made anew. */
public final class Client implements AutoCloseable {
    /** A request was refused, or what it asked for has failed: the code of the error, or the failure's kind. */
    public static final class RequestException extends Exception {
        public final String code;
        public final JsonObject failure;

        RequestException(String code, String message, JsonObject failure) {
            super(message);
            this.code = code;
            this.failure = failure;
        }
    }

    private static final long SECONDS = 60;
    private final Connection connection;
    private final Wire wire;
    private final String replyQueue;
    private final Map<String, BlockingQueue<JsonObject>> asked = new ConcurrentHashMap<>();

    public Client(String url) throws Exception {
        ConnectionFactory factory = new ConnectionFactory();
        factory.setUri(url);
        factory.setAutomaticRecoveryEnabled(false);
        connection = factory.newConnection();
        wire = new Wire(connection.createChannel());
        Channel replies = connection.createChannel();
        replyQueue = replies.queueDeclare("", false, true, false, null).getQueue();
        replies.basicConsume(replyQueue, true, (tag, reply) -> {
            BlockingQueue<JsonObject> waiting = asked.get(reply.getProperties().getCorrelationId());
            if (waiting != null) {
                waiting.offer(Wire.parse(reply.getBody()));
            }
        }, tag -> { });
    }

    @Override
    public void close() throws IOException {
        connection.close();
    }

    /** The run ID. Where it is not known whether it has arrived, start again with the same message ID. */
    public String start(String messageId, String workflowType, String workflowId, Object... args)
            throws Exception {
        JsonObject fields = fields("workflow_type", workflowType, args);
        fields.add("replies", Wire.JSON.toJsonTree(List.of("accepted")));
        return ask("workflow.start", workflowId, messageId, fields, SECONDS, is("accepted")).get("run_id").getAsString();
    }

    public void signal(String workflowId, String name, Object... args) throws Exception {
        ask("workflow.signal", workflowId, id(), fields("name", name, args), SECONDS, is("answer"));
    }

    public <T> T query(Class<T> type, String workflowId, String name, Object... args) throws Exception {
        JsonObject reply = ask("workflow.query", workflowId, id(), fields("name", name, args), SECONDS, is("answer"));
        return Wire.decode(reply.get("result"), type);
    }

    /** The update's outcome; it is handled once, however often it arrives. */
    public <T> T update(Class<T> type, String workflowId, String name, Object... args) throws Exception {
        String id = id();
        JsonObject fields = fields("name", name, args);
        fields.addProperty("update_id", id);
        fields.addProperty("wait_for", "completed");
        return outcome(type, ask("workflow.update", workflowId, id, fields, SECONDS,
                reply -> reply.has("update_stage") && reply.get("update_stage").getAsString().equals("completed")));
    }

    public void cancel(String workflowId, String reason) throws Exception {
        JsonObject fields = new JsonObject();
        fields.addProperty("reason", reason);
        ask("workflow.cancel", workflowId, id(), fields, SECONDS, is("answer"));
    }

    /** The run's result, however long it takes: who waits is in a host's memory, and so asks again. */
    public <T> T result(Class<T> type, String workflowId) throws Exception {
        while (true) {
            JsonObject reply;
            try {
                reply = ask("workflow.result", workflowId, id(), new JsonObject(), 20, is("result"));
            } catch (RequestException error) {
                if (error.code.equals("moved") || error.code.equals("no_reply")) {
                    continue;
                }
                throw error;
            }
            String status = reply.get("status").getAsString();
            if (!status.equals("completed") && !reply.has("failure")) {
                throw new RequestException(status, "the run was " + status, null);
            }
            return outcome(type, reply);
        }
    }

    private JsonObject ask(String type, String workflowId, String messageId, JsonObject fields, long seconds,
            Predicate<JsonObject> awaited) throws Exception {
        BlockingQueue<JsonObject> replies = new ArrayBlockingQueue<>(16);
        asked.put(messageId, replies);
        try {
            fields.addProperty("workflow_id", workflowId);
            CRC32 crc = new CRC32();
            crc.update(workflowId.getBytes(StandardCharsets.UTF_8));
            wire.publish("dalsegno.commands", "slot." + crc.getValue() % 1024,
                    Wire.properties(type).messageId(messageId).replyTo(replyQueue), Wire.bytes(fields));
            long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
            while (true) {
                JsonObject reply = replies.poll(end - System.nanoTime(), TimeUnit.NANOSECONDS);
                if (reply == null) {
                    throw new RequestException("no_reply", "no reply to " + type + " within " + seconds + " s", null);
                }
                if (reply.has("error")) {
                    JsonObject error = reply.getAsJsonObject("error");
                    throw new RequestException(error.get("code").getAsString(), error.get("message").getAsString(),
                            reply.getAsJsonObject("failure"));
                }
                if (awaited.test(reply)) {
                    return reply;
                }
            }
        } finally {
            asked.remove(messageId);
        }
    }

    private static <T> T outcome(Class<T> type, JsonObject reply) throws RequestException {
        if (!reply.has("failure")) {
            return Wire.decode(reply.get("result"), type);
        }
        JsonObject failure = reply.getAsJsonObject("failure");
        JsonElement kind = failure.get("kind");
        JsonElement message = failure.get("message");
        throw new RequestException(kind == null ? "application" : kind.getAsString(),
                message == null ? "" : message.getAsString(), failure);
    }

    private static Predicate<JsonObject> is(String kind) {
        return reply -> reply.get("kind").getAsString().equals(kind);
    }

    private static JsonObject fields(String label, String value, Object... args) {
        JsonObject fields = new JsonObject();
        fields.addProperty(label, value);
        fields.add("args", Wire.JSON.toJsonTree(args));
        return fields;
    }

    private static String id() {
        return UUID.randomUUID().toString();
    }
}
