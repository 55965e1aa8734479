/* An adapter: `takeover conform` asks on the standard input, and is answered on the standard output.

   It says hello, refuses every frame, and starts a server that does nothing. ADAPTER.md has every request, and what may be
   answered; PROTOCOL.md has what a server does. Put your server where it says so, and let `--next` lead you:

       cc -o adapter adapter.c && takeover conform --next -- ./adapter */

#define _POSIX_C_SOURCE 200809L

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIELDS_MAX = 32 };

/* The request: a flat object, each value as the text that it was written in, unescaped if it was in quotes. */
static struct { char *name, *value; } fields[FIELDS_MAX];
static int count;

static const char *text(const char *name) {
    for (int i = 0; i < count; i++)
        if (strcmp(fields[i].name, name) == 0)
            return fields[i].value;
    fprintf(stderr, "the request has no %s\n", name);
    exit(1);
}

static uint64_t number(const char *name) { return strtoull(text(name), NULL, 10); }

static bool asked(const char *op) { return strcmp(text("op"), op) == 0; }

static unsigned hex(const char *digits) { return strtoul((char[]){digits[0], digits[1], digits[2], digits[3], 0}, NULL, 16); }

static char *put_utf8(char *to, unsigned c) {
    if (c < 0x80) return *to++ = c, to;
    if (c >= 0x10000) *to++ = 0xf0 | c >> 18, *to++ = 0x80 | (c >> 12 & 0x3f), *to++ = 0x80 | (c >> 6 & 0x3f);
    else if (c >= 0x800) *to++ = 0xe0 | c >> 12, *to++ = 0x80 | (c >> 6 & 0x3f);
    else *to++ = 0xc0 | c >> 6;
    *to++ = 0x80 | (c & 0x3f);
    return to;
}

/* Takes the text that begins after a quote out of its escapes, in its own place; returns what follows its end. */
static char *unquote(char *from) {
    for (char *to = from;; from++) {
        if (*from == '"') return *to = 0, from + 1;
        if (*from == 0) exit(1);
        if (*from != '\\') { *to++ = *from; continue; }
        if (*++from == 0) exit(1);
        const char *escape = strchr("b\bf\fn\nr\rt\t", *from);
        if (*from == 'u') {
            unsigned c = hex(from + 1);
            from += 4;
            if (c >> 10 == 0x36) c = 0x10000 + ((c & 0x3ff) << 10) + (hex(from + 3) & 0x3ff), from += 6;
            to = put_utf8(to, c);
        } else *to++ = escape && *from > ' ' ? escape[1] : *from;
    }
}

static void parse(char *at) {
    for (count = 0; count < FIELDS_MAX && (at = strchr(at, '"')); count++) {
        fields[count].name = at + 1;
        at = unquote(at + 1);
        at += strspn(at, ": ");
        fields[count].value = at + (*at == '"');
        if (*at == '"') at = unquote(at + 1);
        else at += strcspn(at, ",}"), *at++ = 0;
    }
}

/* A line of the answer: after `id`, these fields. */
#define ANSWER(format, ...) printf("{\"id\":%s," format "}\n", text("id"), ##__VA_ARGS__)

static void answer(void) {
    if (asked("hello"))
        ANSWER("\"is\":\"metadata\",\"protocol\":1,\"name\":\"my server\",\"version\":\"0.1\",\"language\":\"C\"");
    else if (asked("encode")) /* your encoder: `kind`, and that message's fields; "is":"encoded","frame":"in base64" */
        ANSWER("\"is\":\"refused\"");
    else if (asked("decode")) /* your decoder: `frame`, in base64; "is":"decoded","kind":... and that message's fields */
        ANSWER("\"is\":\"refused\"");
    else if (asked("found")) {} /* forget everything: this is on your server's disk */
    else if (asked("queued")) {} /* and this, in one of its queues */
    else if (asked("start")) /* ROLE-1: passive and hidden. LEASE-2: what may have been promised before is waited out */
        ANSWER("\"do\":\"start\",\"active\":false,\"enabled\":false,\"until\":0,\"wait_until\":%" PRIu64,
               number("now") + number("promise_ns"));
    else if (asked("connected")) {} /* to the peer; a passive server says its Position: "is":"say","to":"peer","frame":... */
    else if (asked("frame")) {} /* `frame` came from `sender`; "is":"close","to":... if it is malformed */
    else if (asked("wake")) {} /* it is as late as you wished, by "is":"wake-at","at":... */
    else if (asked("idle")) {} /* time to report, and with `room` to apply an update */
    else if (asked("write")) {} /* an active server: log it */
    else if (asked("carried-out")) {} /* note how it ended, and pass it on */
    else if (asked("part")) {} /* a part of what "is":"take-copy" asked for */
    else if (asked("copied")) {} /* and those were all */
    else if (asked("order")) {} /* "is":"answer","number":...,"accepted":...,"clause":...,"reason":... */
    else if (asked("stop")) {} /* "is":"sync", and say goodbye */
}

int main(void) {
    char *line = NULL;
    for (size_t size = 0; getline(&line, &size, stdin) > 0; fflush(stdout)) {
        parse(line);
        answer();
        ANSWER("\"is\":\"end\"");
    }
    free(line);
}
