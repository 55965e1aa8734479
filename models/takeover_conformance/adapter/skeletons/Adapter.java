import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * An adapter: `takeover conform` asks on the standard input, and is answered on the standard output.
 *
 * It says hello, refuses every frame, and starts a server that does nothing. ADAPTER.md has every request, and what may
 * be answered; PROTOCOL.md has what a server does. Put your server where it says so, and let `--next` lead you:
 *
 *     javac Adapter.java && takeover conform --next -- java Adapter
 */
public final class Adapter {
    private static final Pattern FIELD =
            Pattern.compile("\"([a-z_]+)\": ?(?:\"((?:[^\"\\\\]|\\\\.)*)\"|([0-9]+)|(true|false))");
    private static final Pattern ESCAPE = Pattern.compile("\\\\(?:u([0-9a-fA-F]{4})|(.))");

    private final PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
    private Map<String, Object> request;

    public static void main(String[] words) throws IOException {
        Adapter adapter = new Adapter();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            adapter.request = parse(line);
            adapter.answer();
            adapter.is("end");
            adapter.out.flush();
        }
    }

    /** Writes the lines that answer the request, but for the last one. */
    private void answer() {
        switch ((String) request.get("op")) {
            case "hello":
                is("metadata", "protocol", 1, "name", "my server", "version", "0.1", "language", "Java");
                break;
            case "encode": // your encoder: `kind`, and that message's fields; is("encoded", "frame", base64)
                is("refused");
                break;
            case "decode": // your decoder: `frame` in base64; is("decoded", "kind", ..., and that message's fields)
                is("refused");
                break;
            case "found": // forget everything: this is on your server's disk
                break;
            case "queued": // and this, in one of its queues
                break;
            case "start": // ROLE-1: passive and hidden. LEASE-2: what may have been promised before is waited out
                long waitUntil = number("now") + number("promise_ns");
                does("start", "active", false, "enabled", false, "until", 0, "wait_until", waitUntil);
                break;
            case "connected": // to the peer; a passive server says its Position: is("say", "to", "peer", "frame", ...)
                break;
            case "frame": // `frame` came from `sender`; is("close", "to", sender) if it is malformed
                break;
            case "wake": // it is as late as you wished, by is("wake-at", "at", ...)
                break;
            case "idle": // time to report, and with `room` to apply an update
                break;
            case "write": // an active server: log it
                break;
            case "carried-out": // note how it ended, and pass it on
                break;
            case "part": // a part of what is("take-copy") asked for
                break;
            case "copied": // and those were all
                break;
            case "order": // is("answer", "number", ..., "accepted", ..., "clause", ..., "reason", ...)
                break;
            case "stop": // is("sync"), and say goodbye
                break;
            default:
                throw new IllegalArgumentException("no such request: " + request);
        }
    }

    private long number(String name) {
        return (Long) request.get(name);
    }

    private void is(String kind, Object... fields) {
        write("is", kind, fields);
    }

    private void does(String action, Object... fields) {
        write("do", action, fields);
    }

    private void write(String key, String kind, Object... fields) {
        StringBuilder line = new StringBuilder("{\"id\":" + request.get("id") + ",\"" + key + "\":" + json(kind));
        for (int i = 0; i < fields.length; i += 2) {
            line.append(',').append(json(fields[i])).append(':').append(json(fields[i + 1]));
        }
        out.print(line.append("}\n"));
    }

    private static String json(Object value) {
        if (!(value instanceof String)) {
            return value.toString();
        }
        StringBuilder text = new StringBuilder("\"");
        for (char c : ((String) value).toCharArray()) {
            text.append(c < ' ' || c == '"' || c == '\\' ? String.format("\\u%04x", (int) c) : c);
        }
        return text.append('"').toString();
    }

    /** A flat object: text, whole numbers, true and false. */
    private static Map<String, Object> parse(String line) {
        Map<String, Object> fields = new LinkedHashMap<>();
        for (Matcher field = FIELD.matcher(line); field.find(); ) {
            String text = field.group(2), number = field.group(3), flag = field.group(4);
            Object value = text != null ? unescaped(text) : number != null ? Long.valueOf(number) : Boolean.valueOf(flag);
            fields.put(field.group(1), value);
        }
        return fields;
    }

    private static String unescaped(String text) {
        return ESCAPE.matcher(text).replaceAll(escape -> {
            String code = escape.group(1);
            int at = code == null ? "bfnrt".indexOf(escape.group(2)) : -1;
            char c = code != null ? (char) Integer.parseInt(code, 16) : at < 0 ? escape.group(2).charAt(0) : "\b\f\n\r\t".charAt(at);
            return Matcher.quoteReplacement(String.valueOf(c));
        });
    }
}
