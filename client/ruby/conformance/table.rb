require "json"

# Something is not as the table says.
class Unexpected < StandardError; end

# Reads steps of tests/conformance/cases.json: placeholders, paths, and what is expected of an answer.
module Table
  module_function

  # The value with every placeholder replaced of which the value is known.
  def filled_in(value, values)
    JSON.parse(JSON.generate(value).gsub(/\{\{([\w-]+)\}\}/) { values.fetch($1, $&) })
  end

  # The request of a step, with the elements of its lists repeated.
  def expanded(step)
    step["request"].merge(step.fetch("expand", {}).to_h { |name, times| [name, step["request"][name] * times] })
  end

  # What is at a path; nil where there is nothing.
  def at(value, path) = follow(value, path.split("."))

  def follow(value, names)
    names.each_with_index do |name, position|
      return each_of(value || [], names.drop(position + 1)) if name == "*"

      value = case value
              when Array then value[Integer(name)]
              when Hash then value[name]
              end
    end
    value
  end

  def each_of(elements, rest)
    found = elements.map { |element| follow(element, rest) }
    rest.include?("*") ? found.flatten(1) : found.compact
  end

  # Compares an answer with what the step expects of it.
  def look_at(answer, step)
    step.fetch("answer", {}).each { |path, expected| compare(path, expected, at(answer, path)) }
    step.fetch("count", {}).each do |path, expected|
      compare("elements of #{path}", expected, (at(answer, path) || []).size)
    end
    step.fetch("distinct", {}).each do |path, expected|
      compare("different elements of #{path}", expected, (at(answer, path) || []).uniq.size)
    end
  end

  def compare(what, expected, found)
    return if expected == found

    raise Unexpected, "#{what}: expected #{expected.to_json[0, 300]}, found #{found.to_json[0, 300]}"
  end
end
