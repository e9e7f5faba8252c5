import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.Channel;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeoutException;

/** What worker and client have in common: payloads, and a message that the broker has for certain. */
final class Wire {
    /** Of every task queue; the broker refuses others for a queue that exists. */
    static final Map<String, Object> TASK_QUEUE_ARGUMENTS = Map.of(
            "x-queue-type", "quorum",
            "x-delivery-limit", 20,
            "x-dead-letter-exchange", "dalsegno.dead",
            "x-dead-letter-routing-key", "tasks",
            "x-dead-letter-strategy", "at-least-once",
            "x-overflow", "reject-publish");
    static final Gson JSON = new GsonBuilder().disableHtmlEscaping().serializeNulls().create();
    private static final long CONFIRM_MILLISECONDS = 30_000;

    private final Channel channel;
    private final Set<String> returned = ConcurrentHashMap.newKeySet();

    /** On a channel of its own, where nothing else is published. */
    Wire(Channel channel) throws IOException {
        this.channel = channel;
        channel.confirmSelect();
        channel.addReturnListener(message -> returned.add(message.getProperties().getMessageId()));
    }

    /** Returns when the broker has put it into a queue; fails if it has none for it, or cannot be reached. */
    synchronized void publish(String exchange, String key, AMQP.BasicProperties.Builder properties, byte[] body)
            throws IOException {
        AMQP.BasicProperties all = properties.deliveryMode(2).build();
        String id = all.getMessageId() == null ? UUID.randomUUID().toString() : all.getMessageId();
        try {
            channel.basicPublish(exchange, key, true, all.builder().messageId(id).build(), body);
            channel.waitForConfirmsOrDie(CONFIRM_MILLISECONDS);
        } catch (InterruptedException | TimeoutException | RuntimeException error) { // of a closed channel, too
            throw new IOException("whether the message has arrived is not known", error);
        }
        if (returned.remove(id)) { // what comes back comes before the confirm
            throw new IOException("nobody receives " + exchange + " " + key + ": is the namespace there?");
        }
    }

    static AMQP.BasicProperties.Builder properties(String type) {
        return new AMQP.BasicProperties.Builder().type(type).contentType("application/json");
    }

    static byte[] bytes(JsonElement body) {
        return JSON.toJson(body).getBytes(StandardCharsets.UTF_8);
    }

    static JsonObject parse(byte[] body) {
        return JsonParser.parseString(new String(body, StandardCharsets.UTF_8)).getAsJsonObject();
    }

    /** A value, as Gson reads it, or a byte[]. Only who has the key or the store can read what is encrypted or stored. */
    static <T> T decode(JsonElement payload, Class<T> type) {
        if (!payload.isJsonObject() || payload.getAsJsonObject().size() != 1 || !payload.getAsJsonObject().has("$payload")) {
            return JSON.fromJson(payload, type);
        }
        JsonObject labelled = payload.getAsJsonObject().getAsJsonObject("$payload");
        String encoding = labelled.get("encoding").getAsString();
        byte[] data = Base64.getDecoder().decode(labelled.get("data").getAsString());
        if (encoding.equals("json/plain")) {
            return JSON.fromJson(new String(data, StandardCharsets.UTF_8), type);
        }
        if (encoding.equals("binary/plain") && type.isAssignableFrom(byte[].class)) {
            return type.cast(data);
        }
        throw new Worker.ActivityException("PayloadUnreadable", "a payload of the encoding " + encoding + " cannot be read here", false);
    }
}
