# `run.rb host:port cases.json [case…]`: the runner that tests/conformance/README.md describes.
require "json"
require "securerandom"
require_relative "calls"
require_relative "table"

USUAL_SECONDS = 30

def say(line)
  puts JSON.generate(line)
  $stdout.flush
end

# One run of one case.
class Run
  def initialize(calls)
    @calls = calls
    @values = { "unique" => SecureRandom.hex(8), "uuid" => SecureRandom.uuid }
  end

  # Does one step; raises Unexpected where it did not end as the table says.
  def do(step)
    case step["do"]
    when "restart"
      say(restart: true)
      $stdin.gets
    when "exchange" then exchange(Table.filled_in(step, @values))
    when "pages" then pages(Table.filled_in(step, @values))
    else
      step.fetch("times", 1).times do |index|
        filled = Table.filled_in(step, @values.merge("index" => index.to_s))
        judge(filled, make(filled, [Table.expanded(filled)]))
      end
    end
  end

  private

  def exchange(step)
    requests = step["requests"] ||
               Array.new(step["times"]) { |index| Table.filled_in(step["request"], "index" => index.to_s) }
    judge(step, make(step, requests))
  end

  def pages(step)
    items = []
    pages = 0
    token = ""
    loop do
      outcome = make(step, [step["request"].merge("pageToken" => token)])
      return judge(step, outcome) unless outcome.status == "OK"

      pages += 1
      items.concat(Table.at(outcome.answer, step["items"]) || [])
      token = outcome.answer.fetch("nextPageToken", "")
      break if token.empty?
    end
    judge(step, Outcome.ok({ "pages" => pages, "items" => items }))
  end

  def make(step, requests)
    seconds = step.key?("deadline_ms") ? step["deadline_ms"] / 1000.0 : USUAL_SECONDS
    @calls.make(step["rpc"], requests, key: step["key"], seconds: seconds)
  end

  def judge(step, outcome)
    expected = step.fetch("status", "OK")
    unless outcome.status == expected
      raise Unexpected, "expected #{expected}, found #{outcome.status} #{outcome.reason}: #{outcome.message}"
    end

    %w[reason fields retry].each { |name| Table.compare(name, step[name], outcome[name]) if step.key?(name) }
    unless step.fetch("metadata", {}) <= outcome.metadata
      raise Unexpected, "metadata: expected #{step["metadata"]}, found #{outcome.metadata}"
    end

    Table.look_at(outcome.answer, step)
    step.fetch("save", {}).each { |name, path| keep(name, path, Table.at(outcome.answer, path)) }
  end

  def keep(name, path, found)
    raise Unexpected, "there is no text at #{path}" unless found.is_a?(String)

    @values[name] = found
  end
end

def run(test_case, calls)
  began = Process.clock_gettime(Process::CLOCK_MONOTONIC)
  error = ""
  running = Run.new(calls)
  test_case["steps"].each.with_index(1) do |step, number|
    running.do(step)
  rescue StandardError => e
    error = "step #{number}, #{step["rpc"] || step["do"]}: #{e.class}: #{e.message}"
    break
  end
  seconds = (Process.clock_gettime(Process::CLOCK_MONOTONIC) - began).round(3)
  say(case: test_case["name"], ok: error.empty?, seconds: seconds, error: error)
end

target, table, *names = ARGV
say(versions: { ruby: RUBY_VERSION, grpc: GRPC::VERSION, protobuf: Gem.loaded_specs["google-protobuf"].version.to_s })
calls = Calls.new(target, ENV.fetch("REFLEXIO_API_KEY"))
JSON.parse(File.read(table, encoding: "UTF-8"))["cases"].each do |test_case|
  run(test_case, calls) if names.empty? || names.include?(test_case["name"])
end
