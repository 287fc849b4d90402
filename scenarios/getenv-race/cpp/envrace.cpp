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

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace {

// Each new name makes glibc's setenv reallocate the array of pointers.
constexpr long MOST_NAMES = 1000;

std::atomic<bool> running{false};
std::mutex environment;  // the mitigation "lock"
std::thread writer, reader;
// Read by nobody; they keep the calls from being optimised away.
const char *volatile answer;
void *volatile block;

// What a thread does besides: it uses the memory of the old array again, for text, in which a reader of the old array
// finds letters for a pointer. Only the second half is written: what the old array began with is left to be found. Both
// blocks stay: the other one lies behind the new array, so that it cannot grow in place.
void use_memory(long pointers) {
    const size_t size = static_cast<size_t>(pointers) * sizeof(char *);
    block = std::malloc(size);
    std::memset(static_cast<char *>(block) + size / 2, 'A', size - size / 2);
    block = std::malloc(size);
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
        set_name("CM_SET_" + std::to_string(number), locked);
        use_memory(before + number + 1);
        std::this_thread::sleep_for(std::chrono::microseconds(100));
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
