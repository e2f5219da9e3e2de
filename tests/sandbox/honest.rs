//! No honest program dies of a wall: in the image of every profile, what real programs do works.

use crate::job::Job;

const PYTHON: &str = r"
import asyncio, concurrent.futures, ctypes, decimal, json, locale, mmap, multiprocessing, os, pathlib, queue, random, select
import shutil, signal, socket, socketserver, sqlite3, ssl, struct, subprocess, sys, tempfile, threading, time, zipfile, zlib
from multiprocessing import shared_memory

done = []

def says(number):
    return number * number

def main():
    threads = [threading.Thread(target=lambda: done.append('thread')) for _ in range(4)]
    [t.start() for t in threads]; [t.join() for t in threads]
    for method in ('fork', 'spawn', 'forkserver'):
        context = multiprocessing.get_context(method)
        with context.Pool(2) as pool:
            assert pool.map(says, range(5)) == [0, 1, 4, 9, 16], method
        lock, value = context.Lock(), context.Value('i', 3)
        with lock: assert value.value == 3
    with concurrent.futures.ProcessPoolExecutor(2) as pool:
        assert list(pool.map(says, [2, 3])) == [4, 9]
    assert subprocess.run(['sh', '-c', 'cat; echo err >&2; exit 3'], input=b'in', capture_output=True).returncode == 3
    assert subprocess.check_output([sys.executable, '-c', 'print(1)'], text=True) == '1\n'
    memory = shared_memory.SharedMemory(create=True, size=4096); memory.buf[0] = 7; memory.close(); memory.unlink()
    database = sqlite3.connect('data.db'); database.execute('pragma journal_mode=wal')
    database.execute('create table t(x)'); database.executemany('insert into t values (?)', [(n,) for n in range(100)])
    database.commit(); assert database.execute('select sum(x) from t').fetchone() == (4950,)
    with tempfile.TemporaryDirectory() as folder:
        archive = pathlib.Path(folder, 'a.zip')
        with zipfile.ZipFile(archive, 'w') as z: z.writestr('x', 'y' * 1000)
        assert shutil.unpack_archive(archive, folder) is None and pathlib.Path(folder, 'x').stat().st_size == 1000
    async def echo():
        async def answer(reader, writer): writer.write(await reader.readline()); await writer.drain(); writer.close()
        server = await asyncio.start_server(answer, '127.0.0.1', 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b'echo\n'); assert await reader.readline() == b'echo\n'; writer.close(); server.close()
        process = await asyncio.create_subprocess_exec('true'); assert await process.wait() == 0
        assert await asyncio.to_thread(says, 4) == 16
    asyncio.run(echo())
    assert socket.getaddrinfo('127.0.0.1', 80) and socket.gethostname() == 'sandbox'
    a, b = socket.socketpair(); a.send(b'x'); assert b.recv(1) == b'x'
    poll = select.epoll(); poll.register(b, select.EPOLLIN); a.send(b'y'); assert poll.poll(1)
    with open('map', 'w+b') as f:
        f.write(b'0' * 8192); f.flush(); m = mmap.mmap(f.fileno(), 0); m[0] = 49; m.flush(); m.close()
    caught = []
    signal.signal(signal.SIGALRM, lambda *_: caught.append(1)); signal.setitimer(signal.ITIMER_REAL, 0.01)
    signal.sigtimedwait([], 1) if not caught else None
    assert caught == [1]
    assert ctypes.CDLL(None).getpid() == os.getpid() and os.cpu_count() >= 1 and len(os.sched_getaffinity(0)) >= 1
    assert zlib.decompress(zlib.compress(b'z' * 9999)) == b'z' * 9999 and len(os.urandom(8)) == 8
    ssl.create_default_context(); decimal.getcontext().prec = 50; locale.setlocale(locale.LC_ALL, '')
    try:
        import numpy
        numpy.linalg.inv(numpy.random.rand(100, 100)); print('numpy too')
    except ImportError:
        pass
    print('well')

if __name__ == '__main__':
    main()
";

const PYTEST: &str = r"
import multiprocessing, os, subprocess, sys, threading
import pytest
from hypothesis import given, strategies

@pytest.fixture(scope='module')
def resource(tmp_path_factory):
    yield tmp_path_factory.mktemp('m')

@pytest.mark.parametrize('n', [1, 2, 3])
def test_parameters(n, resource, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv('N', str(n)); print(os.environ['N'])
    (tmp_path / 'f').write_text('x')
    assert capsys.readouterr().out == f'{n}\n' and resource.exists()

def test_processes():
    assert subprocess.check_output([sys.executable, '-c', 'print(2)'], text=True) == '2\n'
    with multiprocessing.get_context('fork').Pool(2) as pool: assert pool.map(abs, [-1, -2]) == [1, 2]
    t = threading.Thread(target=print); t.start(); t.join()

@given(strategies.integers())
def test_property(n):
    assert n + 0 == n

@pytest.mark.timeout(10)
def test_timeout():
    assert True
";

const C: &str = r#"
#define _GNU_SOURCE
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
extern char **environ;
#define MUST(what) do { if (!(what)) { perror(#what); return 1; } } while (0)
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int sum;
static void *add(void *n) { pthread_mutex_lock(&lock); sum += (int)(long)n; pthread_mutex_unlock(&lock); return NULL; }
static volatile sig_atomic_t caught;
static void on(int s) { (void)s; caught = 1; }
int main(void) {
    pthread_t threads[8];
    for (long n = 0; n < 8; n++) MUST(pthread_create(&threads[n], NULL, add, (void *)n) == 0);
    for (int n = 0; n < 8; n++) pthread_join(threads[n], NULL);
    MUST(sum == 28);
    int both[2]; MUST(pipe2(both, O_CLOEXEC) == 0);
    pid_t child = fork();
    if (child == 0) { MUST(write(both[1], "x", 1) == 1); _exit(0); }
    char c; int status; MUST(read(both[0], &c, 1) == 1 && waitpid(child, &status, 0) == child && status == 0);
    char *argv[] = {"true", NULL};
    MUST(posix_spawnp(&child, "true", NULL, NULL, argv, environ) == 0 && waitpid(child, &status, 0) == child && status == 0);
    MUST(system("exit 3") >> 8 == 3);
    sem_t *named = sem_open("/named", O_CREAT, 0600, 1); MUST(named != SEM_FAILED && sem_wait(named) == 0); sem_unlink("/named");
    int shared = shm_open("/shared", O_CREAT | O_RDWR, 0600); MUST(shared >= 0 && ftruncate(shared, 4096) == 0);
    char *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, shared, 0); MUST(map != MAP_FAILED); map[0] = 1; shm_unlink("/shared");
    void *big = mmap(NULL, 64 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); MUST(big != MAP_FAILED); memset(big, 1, 64 << 20);
    int events = eventfd(1, 0), poll = epoll_create1(0); struct epoll_event event = {.events = EPOLLIN};
    MUST(epoll_ctl(poll, EPOLL_CTL_ADD, events, &event) == 0 && epoll_wait(poll, &event, 1, 1000) == 1);
    MUST(signal(SIGUSR1, on) != SIG_ERR && raise(SIGUSR1) == 0 && caught);
    struct timespec t = {0, 1000000}; MUST(nanosleep(&t, NULL) == 0 && clock_gettime(CLOCK_MONOTONIC, &t) == 0);
    struct rusage used; MUST(getrusage(RUSAGE_SELF, &used) == 0);
    FILE *f = fopen("file", "w+"); MUST(f && fprintf(f, "%f", sqrt(2)) > 0 && fclose(f) == 0 && rename("file", "other") == 0 && chmod("other", 0600) == 0);
    char name[] = "/tmp/madeXXXXXX"; MUST(mkstemp(name) >= 0);
    puts("well");
    return 0;
}"#;

const CPP: &str = r#"
#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <future>
#include <iostream>
#include <map>
#include <numeric>
#include <random>
#include <regex>
#include <stdexcept>
#include <thread>
#include <vector>
int main() {
    std::atomic<int> count{0};
    { std::vector<std::jthread> threads; for (int n = 0; n < 4; n++) threads.emplace_back([&] { count++; }); }
    auto later = std::async(std::launch::async, [] { return 42; });
    std::vector<int> numbers(1000); std::iota(numbers.begin(), numbers.end(), 0);
    std::shuffle(numbers.begin(), numbers.end(), std::mt19937{std::random_device{}()}); std::sort(numbers.begin(), numbers.end());
    std::filesystem::create_directories("a/b"); std::ofstream("a/b/c") << "text";
    std::string read; std::ifstream("a/b/c") >> read;
    try { throw std::runtime_error("thrown"); } catch (const std::exception& e) { read += e.what(); }
    if (count != 4 || later.get() != 42 || numbers[500] != 500 || !std::regex_match(read, std::regex("text.*"))) return 1;
    std::cout << "well" << std::endl;
}"#;

#[test]
fn python_programs_do_what_python_programs_do() {
    let ran = Job::python(PYTHON).limit("wall_seconds", 60).limit("cpu_seconds", 60).limit("cpus", 2).run();
    assert!(ran.printed().ends_with("well\n"), "{}", ran.stdout());
}

#[test]
fn test_suites_do_what_test_suites_do() {
    let ran = Job::pytest(PYTEST).limit("wall_seconds", 60).limit("cpu_seconds", 60).run();
    let outcomes: Vec<_> = ran.0.outcome.tests.iter().map(|test| (test.name.as_str(), test.outcome)).collect();
    assert_eq!(
        (ran.exit(), outcomes.len(), ran.stderr().as_str()),
        ((Some(0), None), 6, ""),
        "{outcomes:?} {}",
        ran.stdout()
    );
}

#[test]
fn c_programs_do_what_c_programs_do() {
    assert_eq!(Job::of("c").file("main.c", C).limit("wall_seconds", 30).run().printed(), "well\n");
}

#[test]
fn cpp_programs_do_what_cpp_programs_do() {
    let mut job = Job::of("cpp").file("main.cpp", CPP).limit("wall_seconds", 30);
    // Regular expressions and threads are much to compile with half a CPU.
    job.profile().compile_limits.wall_seconds = Some(60.0);
    job.profile().compile_limits.cpu_seconds = Some(60.0);
    assert_eq!(job.run().printed(), "well\n");
}
