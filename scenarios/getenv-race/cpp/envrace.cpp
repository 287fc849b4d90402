// envrace: one native thread sets environment variables while another one reads them through libc.
//
// No Python in it: the driver loads it with ctypes. Built once against glibc 2.17.
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace {

// Arrays of up to 127 pointers (1032 bytes) go through malloc's store of a thread, which hands the old one out again at
// once. Larger ones grow where they lie more often than they move.
constexpr long MOST_NAMES = 120;

std::atomic<bool> running{false};
std::mutex environment;  // the mitigation "lock"
std::thread writer, reader;
const char *volatile answer;  // read by nobody; it keeps the calls from being optimised away

// What a thread does besides: it uses the memory of the old array again, for text, in which a reader of the old array
// finds letters for a pointer. Only the second half is written: what the old array began with is left to be found.
void use_memory(const void *old, long pointers) {
    const size_t size = static_cast<size_t>(pointers) * sizeof(char *);
    std::vector<void *> others;
    void *text = std::malloc(size);
    while (text != old && others.size() < 8) {  // what malloc held ready before it
        others.push_back(text);
        text = std::malloc(size);
    }
    std::memset(static_cast<char *>(text) + size / 2, 'A', size - size / 2);
    static_cast<void>(std::strncpy(static_cast<char *>(std::malloc(24)), "small", 24));  // the new array cannot grow
    for (void *other : others) {
        std::free(other);
    }
}

long count_names() {
    long count = 0;
    for (char **name = environ; *name; ++name) {
        ++count;
    }
    return count;
}

void set_name(const std::string &name, bool locked) {
    std::unique_lock<std::mutex> guard(environment, std::defer_lock);
    if (locked) {
        guard.lock();
    }
    setenv(name.c_str(), "/etc/ssl/certs", 1);
}

void set_names(bool locked) {
    const long before = count_names();
    for (long number = 0; running && number < MOST_NAMES; ++number) {
        const void *old = environ;
        set_name("CM_SET_" + std::to_string(number), locked);
        use_memory(old, before + number + 1);
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
}

// The frame that a reader of the backtrace looks for below libc's.
__attribute__((noinline)) void read_environment(bool by_strerror) {
    if (by_strerror) {
        answer = std::strerror(ENOENT);
    } else {
        answer = std::getenv("CM_NOT_THERE");
    }
}

void read_until_stopped(bool by_strerror, bool locked) {
    while (running) {
        std::unique_lock<std::mutex> guard(environment, std::defer_lock);
        if (locked) {
            guard.lock();
        }
        read_environment(by_strerror);
    }
}

}  // namespace

// Set every variable in this thread, before any other was started: the mitigation "before-threads".
EXPORT void envrace_set_now(void) {
    running = true;
    set_names(false);
    running = false;
}

EXPORT void envrace_start_writer(int locked) {
    running = true;
    writer = std::thread(set_names, locked != 0);
}

EXPORT void envrace_start_reader(int by_strerror, int locked) {
    running = true;
    reader = std::thread(read_until_stopped, by_strerror != 0, locked != 0);
}

EXPORT void envrace_stop(void) {
    running = false;
    for (std::thread *thread : {&writer, &reader}) {
        if (thread->joinable()) {
            thread->join();
        }
    }
}
