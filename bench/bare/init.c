/* The one binary of a bare guest: loads what its virtio-serial port needs, writes a line to the port, then obeys it.
 * "spew N" answers with N zero bytes, as fast as the port takes them. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char PORT[] = "/dev/vport0p1";
static char block[1 << 16];

static void fail(const char *what) {
  perror(what);
  for (;;) pause();
}

static void load_modules(void) {
  FILE *list = fopen("/modules.list", "r");
  if (!list) fail("/modules.list");
  char path[256];
  while (fgets(path, sizeof path, list)) {
    path[strcspn(path, "\n")] = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || syscall(SYS_finit_module, fd, "", 0) != 0) fail(path);
    close(fd);
  }
  fclose(list);
}

static void put(int port, const char *data, size_t left) {
  while (left > 0) {
    ssize_t done = write(port, data, left);
    if (done < 0) fail("write");
    data += done;
    left -= (size_t)done;
  }
}

static void spew(int port, unsigned long long left) {
  while (left > 0) {
    size_t size = left < sizeof block ? (size_t)left : sizeof block;
    put(port, block, size);
    left -= size;
  }
}

int main(void) {
  mkdir("/dev", 0755);
  if (mount("devtmpfs", "/dev", "devtmpfs", 0, "") != 0) fail("devtmpfs");
  load_modules();
  int port;
  /* The port is announced by the device after its driver has loaded; no event is as simple as this. */
  while ((port = open(PORT, O_RDWR)) < 0) usleep(500);
  put(port, "ready\n", 6);
  char line[64];
  size_t length = 0;
  for (;;) {
    ssize_t got = read(port, line + length, sizeof line - 1 - length);
    if (got <= 0) {
      usleep(10000);
      continue;
    }
    length += (size_t)got;
    if (!memchr(line, '\n', length)) continue;
    line[length] = 0;
    length = 0;
    if (strncmp(line, "spew ", 5) == 0) spew(port, strtoull(line + 5, NULL, 10));
  }
}
