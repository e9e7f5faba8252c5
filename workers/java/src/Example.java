import com.google.gson.JsonElement;
import com.google.gson.JsonParser;
import java.util.Arrays;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicInteger;

/** Activities, and a command line: worker|conformance QUEUE, or start|result|signal|query|update|cancel ID ... */
public final class Example {
    private static final AtomicInteger COUNTED = new AtomicInteger();
    private static final Map<String, Worker.Activity> ACTIVITIES = Map.of(
            "charge", attempt ->
                    Map.of("receipt", attempt.argument(0, Integer.class) + " " + attempt.argument(1, String.class)),
            "flaky", attempt -> {
                int number = attempt.task.get("attempt").getAsInt();
                if (number <= attempt.argument(0, Integer.class)) {
                    throw new Worker.ActivityException("BankBusy", "the bank is busy", false);
                }
                return "attempt " + number;
            },
            "decline", attempt -> {
                throw new Worker.ActivityException("CardDeclined", "no such card", true);
            },
            "unwritable", attempt -> {
                if (attempt.argument(0, String.class).equals("heartbeat")) {
                    attempt.heartbeat(Double.NaN);
                }
                return Double.NaN; // has no JSON, and fails the attempt
            },
            "export", attempt -> {
                int pages = attempt.argument(0, Integer.class);
                JsonElement done = attempt.task.get("heartbeat_details");
                for (int page = done == null ? 0 : Wire.decode(done, Integer.class); page < pages; page++) {
                    Thread.sleep((long) (attempt.argument(1, Double.class) * 1000)); // stands for the work
                    attempt.heartbeat(page + 1);
                }
                return pages + " pages";
            },
            "count", attempt -> {
                int mine = COUNTED.incrementAndGet();
                long end = System.nanoTime() + (long) (attempt.argument(0, Double.class) * 1e9);
                for (; System.nanoTime() < end; Thread.sleep(100)) {
                    attempt.heartbeat(null);
                }
                return mine;
            });

    public static void main(String[] said) throws Exception {
        String url = System.getenv("AMQP_URL");
        if (said[0].equals("worker")) {
            new Worker(url, said[1], ACTIVITIES, 10).run();
        }
        if (said[0].equals("conformance")) {
            new Worker(url, said[1], Conformance.ACTIVITIES, 10).run();
        }
        String id = said[1];
        String name = said.length > 2 ? said[2] : "";
        Object[] args = Arrays.stream(said).skip(3).map(JsonParser::parseString).toArray();
        try (Client client = new Client(url)) {
            Object answer = null;
            switch (said[0]) {
                case "start" -> answer = client.start(UUID.randomUUID().toString(), name, id, args);
                case "result" -> answer = client.result(JsonElement.class, id);
                case "signal" -> client.signal(id, name, args);
                case "query" -> answer = client.query(JsonElement.class, id, name, args);
                case "update" -> answer = client.update(JsonElement.class, id, name, args);
                case "cancel" -> client.cancel(id, name);
                default -> throw new IllegalArgumentException("unknown: " + said[0]);
            }
            System.out.println(Wire.JSON.toJson(answer));
        } catch (Client.RequestException error) {
            System.err.println(error.code + ": " + error.getMessage());
            System.exit(1);
        }
    }
}
