/*
 * The end of the line: an SMTP server that counts what it is given and keeps nothing.
 *
 *   sink [--host 127.0.0.1] [--port 0] [--refuse 450] [--delay MS] [--count N]
 *
 * Prints {"event":"ready","port":N}. It then obeys lines on standard input:
 *   expect N    set all counters to zero; print {"event":"reached",…} when N recipients were delivered
 *   stats       print {"event":"stats",…} now
 *   refuse C    answer RCPT with C (a 4yz or 5yz code); 0 accepts again
 *   delay MS    wait that long before the reply to a message
 * End of input, SIGTERM or SIGINT: prints {"event":"end",…} and leaves. --count N is `expect N` at start.
 */
#include "net.h"

enum { LINE = 4096, OUT = 8192, IN = 1 << 18 };

typedef struct conn {
  int fd, in_data, recipients, has_mail, writable, dead;
  unsigned line_length, out_length;
  char line[LINE], out[OUT], tail[4];
  double reply_at;
  struct conn *next_delayed;
} conn;

static struct { long connections, transactions, recipients, octets, refused; double last_at, cpu0; } count;
static long expected = -1;
static int refuse_code, delay_ms, poller;
static conn *delayed_first, *delayed_last;

static void report(const char *event) {
  printf("{\"event\":\"%s\",\"connections\":%ld,\"transactions\":%ld,\"recipients\":%ld,\"octets\":%ld,"
         "\"refused\":%ld,\"lastAt\":%.6f,\"cpuSeconds\":%.6f}\n",
         event, count.connections, count.transactions, count.recipients, count.octets, count.refused,
         count.last_at, cpu_seconds() - count.cpu0);
  fflush(stdout);
}

static void expect(long n) {
  memset(&count, 0, sizeof count);
  count.cpu0 = cpu_seconds();
  expected = n;
}

static void watch(int fd, void *tag, unsigned events, int operation) {
  struct epoll_event e = {.events = events, .data.ptr = tag};
  epoll_ctl(poller, operation, fd, &e);
}

static void flush_out(conn *c) {
  while (c->out_length) {
    ssize_t n = write(c->fd, c->out, c->out_length);
    if (n < 0) {
      if (errno != EAGAIN) { c->dead = 1; return; }
      watch(c->fd, c, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
      c->writable = 0;
      return;
    }
    memmove(c->out, c->out + n, c->out_length - n);
    c->out_length -= n;
  }
  if (!c->writable) { c->writable = 1; watch(c->fd, c, EPOLLIN, EPOLL_CTL_MOD); }
}

static void say(conn *c, const char *text) {
  unsigned n = strlen(text);
  if (c->out_length + n > OUT) flush_out(c);
  if (c->out_length + n > OUT) { c->dead = 1; return; } /* it never reads: not worth keeping */
  memcpy(c->out + c->out_length, text, n);
  c->out_length += n;
}

static void end_of_data(conn *c) {
  c->in_data = 0;
  count.transactions++;
  count.recipients += c->recipients;
  count.last_at = now();
  c->recipients = c->has_mail = 0;
  if (!delay_ms) {
    say(c, "250 2.0.0 Ok\r\n");
  } else {
    c->reply_at = now() + delay_ms / 1e3;
    c->next_delayed = NULL;
    if (delayed_last) delayed_last->next_delayed = c; else delayed_first = c;
    delayed_last = c;
  }
  if (expected >= 0 && count.recipients >= expected) { report("reached"); expected = -1; }
}

static void command(conn *c, const char *line) {
  char text[64];
  if (!strncasecmp(line, "EHLO", 4)) say(c, "250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 1073741824\r\n");
  else if (!strncasecmp(line, "HELO", 4)) say(c, "250 sink.test\r\n");
  else if (!strncasecmp(line, "MAIL", 4)) { c->has_mail = 1; c->recipients = 0; say(c, "250 2.1.0 Ok\r\n"); }
  else if (!strncasecmp(line, "RCPT", 4)) {
    if (!c->has_mail) say(c, "503 5.5.1 MAIL first\r\n");
    else if (refuse_code) {
      count.refused++;
      snprintf(text, sizeof text, "%d %d.2.0 not now\r\n", refuse_code, refuse_code / 100);
      say(c, text);
    } else { c->recipients++; say(c, "250 2.1.5 Ok\r\n"); }
  } else if (!strncasecmp(line, "DATA", 4)) {
    if (!c->recipients) say(c, "554 5.5.1 no valid recipients\r\n");
    else { c->in_data = 1; memcpy(c->tail, "\0\0\r\n", 4); say(c, "354 go on\r\n"); }
  } else if (!strncasecmp(line, "RSET", 4)) { c->has_mail = c->recipients = 0; say(c, "250 2.0.0 Ok\r\n"); }
  else if (!strncasecmp(line, "NOOP", 4)) say(c, "250 2.0.0 Ok\r\n");
  else if (!strncasecmp(line, "QUIT", 4)) { say(c, "221 2.0.0 Bye\r\n"); flush_out(c); c->dead = 1; }
  else say(c, "502 5.5.2 what?\r\n");
}

/* Returns how many octets of `p` belong to the message, its final dot line included. */
static size_t take_data(conn *c, const char *p, size_t n) {
  /* The end may lie across two reads: look at the last four octets together with the first four. */
  char seam[8];
  size_t head = n < 4 ? n : 4;
  memcpy(seam, c->tail, 4);
  memcpy(seam + 4, p, head);
  char *end = memmem(seam, 4 + head, "\r\n.\r\n", 5);
  size_t used = n;
  int ended = 0;
  if (end) { used = end + 5 - (seam + 4); ended = 1; }
  else if ((end = memmem(p, n, "\r\n.\r\n", 5))) { used = end + 5 - p; ended = 1; }
  count.octets += used - (ended ? 3 : 0);
  if (n >= 4) memcpy(c->tail, p + n - 4, 4);
  else { memmove(c->tail, c->tail + n, 4 - n); memcpy(c->tail + 4 - n, p, n); }
  if (ended) end_of_data(c);
  return used;
}

static void take(conn *c, const char *p, size_t n) {
  while (n && !c->dead) {
    if (c->in_data) { size_t used = take_data(c, p, n); p += used; n -= used; continue; }
    const char *end = memchr(p, '\n', n);
    size_t used = end ? (size_t)(end - p) + 1 : n;
    if (c->line_length + used >= LINE) { c->dead = 1; return; }
    memcpy(c->line + c->line_length, p, used);
    c->line_length += used;
    p += used;
    n -= used;
    if (end) { c->line[c->line_length] = 0; c->line_length = 0; command(c, c->line); }
  }
}

static void obey(char *line) {
  long n = strtol(strchr(line, ' ') ? strchr(line, ' ') : "0", NULL, 10);
  if (!strncmp(line, "expect", 6)) expect(n);
  else if (!strncmp(line, "stats", 5)) report("stats");
  else if (!strncmp(line, "refuse", 6)) refuse_code = n;
  else if (!strncmp(line, "delay", 5)) delay_ms = n;
}

/* Returns 0 at the end of input. */
static int read_orders(void) {
  static char text[1024];
  static size_t have;
  ssize_t n = read(0, text + have, sizeof text - have - 1);
  if (n <= 0) return 0;
  have += n;
  text[have] = 0;
  for (char *end; (end = strchr(text, '\n')); ) {
    *end = 0;
    obey(text);
    have -= end + 1 - text;
    memmove(text, end + 1, have + 1);
  }
  return 1;
}

static void close_conn(conn *c) {
  close(c->fd);
  /* A delayed reply may still point here; it is freed when its turn comes. */
  c->fd = -1;
  if (!c->reply_at) free(c);
}

static int answer_delayed(void) {
  while (delayed_first) {
    conn *c = delayed_first;
    double left = c->reply_at - now();
    if (left > 0) return (int)(left * 1e3) + 1;
    delayed_first = c->next_delayed;
    if (!delayed_first) delayed_last = NULL;
    c->reply_at = 0;
    if (c->fd < 0) { free(c); continue; }
    say(c, "250 2.0.0 Ok\r\n");
    flush_out(c);
  }
  return -1;
}

static void accept_all(int listener) {
  for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0; ) {
    no_delay(fd);
    conn *c = must(calloc(1, sizeof *c));
    c->fd = fd;
    c->writable = 1;
    count.connections++;
    watch(fd, c, EPOLLIN, EPOLL_CTL_ADD);
    say(c, "220 sink.test ESMTP\r\n");
    flush_out(c);
  }
}

static void serve(conn *c, unsigned events) {
  static char buffer[IN];
  if (events & EPOLLOUT) flush_out(c);
  if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
    ssize_t n = read(c->fd, buffer, sizeof buffer);
    if (n == 0 || (n < 0 && errno != EAGAIN)) c->dead = 1;
    else if (n > 0) { take(c, buffer, n); if (!c->dead) flush_out(c); }
  }
  if (c->dead) close_conn(c);
}

int main(int argc, char **argv) {
  const char *host = "127.0.0.1";
  int port = 0, on = 1;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (!strcmp(argv[i], "--host")) host = argv[i + 1];
    else if (!strcmp(argv[i], "--port")) port = atoi(argv[i + 1]);
    else if (!strcmp(argv[i], "--refuse")) refuse_code = atoi(argv[i + 1]);
    else if (!strcmp(argv[i], "--delay")) delay_ms = atoi(argv[i + 1]);
    else if (!strcmp(argv[i], "--count")) expect(atol(argv[i + 1]));
    else { fprintf(stderr, "unknown option %s\n", argv[i]); return 64; }
  }
  int term = termination_fd();
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  struct sockaddr_in a = ipv4(host, port);
  socklen_t size = sizeof a;
  if (bind(listener, (struct sockaddr *)&a, size) || listen(listener, 4096)) { perror("listen"); return 71; }
  getsockname(listener, (struct sockaddr *)&a, &size);
  poller = epoll_create1(EPOLL_CLOEXEC);
  watch(listener, &listener, EPOLLIN, EPOLL_CTL_ADD);
  watch(term, &term, EPOLLIN, EPOLL_CTL_ADD);
  watch(0, &poller, EPOLLIN, EPOLL_CTL_ADD); /* refused by epoll for /dev/null, which then is no input */
  printf("{\"event\":\"ready\",\"port\":%d}\n", ntohs(a.sin_port));
  fflush(stdout);
  for (;;) {
    struct epoll_event events[256];
    int n = epoll_wait(poller, events, 256, answer_delayed());
    for (int i = 0; i < n; i++) {
      void *tag = events[i].data.ptr;
      if (tag == &listener) accept_all(listener);
      else if (tag == &term || (tag == &poller && !read_orders())) { report("end"); return 0; }
      else if (tag != &poller) serve(tag, events[i].events);
    }
  }
}
