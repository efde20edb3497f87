# Sidekiq: jobs at once, in bulk, later, and one that fails and is tried again, worked off by a process of its own; then what its web page shows.
require "sidekiq"
require "sidekiq/api"

url = {url: ENV.fetch("STILLPOINT_URL")}
Sidekiq.configure_client { |config| config.redis = url }
Sidekiq.configure_server do |config|
  config.redis = url
  # Looks for what is due this often, instead of every few seconds.
  config.options[:poll_interval_average] = 0.2
end

class Adder
  include Sidekiq::Worker
  sidekiq_options queue: "sums", retry: 2
  sidekiq_retry_in { 0 }

  def perform(number)
    Sidekiq.redis { |redis| redis.incrby("sum", number) }
  end
end

class Waverer
  include Sidekiq::Worker
  sidekiq_options retry: 3
  sidekiq_retry_in { 0 }

  def perform
    tries = Sidekiq.redis { |redis| redis.incr("tries") }
    raise "not yet" if tries < 2
  end
end

# The process that works loads this file too; what follows is the one's that has the work.
unless Sidekiq.server?
  Sidekiq.redis(&:flushdb)
  first = Adder.perform_async(1)
  Sidekiq::Client.push_bulk("class" => Adder, "args" => (2..10).map { |n| [n] })
  Adder.perform_in(0.5, 100)
  Waverer.perform_async
  Adder.perform_in(3600, 100_000)
  raise "not queued" unless Sidekiq::Queue.new("sums").size == 10 && Sidekiq::Queue.new("sums").find_job(first)
  raise "not scheduled" unless Sidekiq::ScheduledSet.new.size == 2

  worker = spawn("sidekiq", "-q", "sums", "-q", "default", "-c", "2", "-t", "2", "-r", File.expand_path(__FILE__))
  read = ->(key) { Sidekiq.redis { |redis| redis.get(key) }.to_i }
  begun = Process.clock_gettime(Process::CLOCK_MONOTONIC)
  until read["sum"] == 155 && read["tries"] == 2 && Sidekiq::RetrySet.new.size.zero?
    if Process.clock_gettime(Process::CLOCK_MONOTONIC) - begun > 60
      Process.kill("KILL", worker)
      raise "sum #{read["sum"]}, tries #{read["tries"]}, to be tried again #{Sidekiq::RetrySet.new.size}"
    end
    sleep 0.1
  end
  processes = Sidekiq::ProcessSet.new.size
  Process.kill("TERM", worker)
  Process.wait(worker)

  stats = Sidekiq::Stats.new
  raise "#{processes} processes" unless processes == 1 && Sidekiq::ProcessSet.new.size.zero?
  raise "processed #{stats.processed}, failed #{stats.failed}" unless stats.processed == 13 && stats.failed == 1
  raise "left #{stats.enqueued} and #{stats.scheduled_size}" unless stats.enqueued.zero? && stats.scheduled_size == 1
  raise "not cancelled" unless Sidekiq::ScheduledSet.new.first.delete && Sidekiq::ScheduledSet.new.size.zero?
  puts "sidekiq #{Sidekiq::VERSION}"
end
