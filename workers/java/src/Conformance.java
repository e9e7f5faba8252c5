import com.google.gson.JsonElement;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;

/** What {@code dalsegno conformance worker} asks of a worker: docs/protocol-worker.md, "Conformance". */
final class Conformance {
    private static final AtomicInteger BEGUN = new AtomicInteger();

    static final Map<String, Worker.Activity> ACTIVITIES = Map.of(
            "conformance.echo", attempt -> attempt.argument(0, JsonElement.class),
            "conformance.fail", attempt -> {
                throw new Worker.ActivityException(
                        attempt.argument(0, String.class), attempt.argument(1, String.class), attempt.argument(2, Boolean.class));
            },
            "conformance.sleep", attempt -> {
                double seconds = attempt.argument(0, Double.class);
                Thread.sleep((long) (seconds * 1000));
                return seconds;
            },
            "conformance.beat", attempt -> {
                JsonElement before = attempt.task.get("heartbeat_details");
                int counted = before == null ? 0 : Wire.decode(before, Integer.class);
                long end = System.nanoTime() + (long) (attempt.argument(0, Double.class) * 1e9);
                for (; System.nanoTime() < end; Thread.sleep(100)) {
                    attempt.heartbeat(++counted);
                }
                return counted;
            },
            "conformance.count", attempt -> {
                int mine = BEGUN.incrementAndGet();
                Thread.sleep((long) (attempt.argument(0, Double.class) * 1000));
                return mine;
            });

    private Conformance() {
    }
}
