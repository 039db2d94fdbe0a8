# Writes a tuple and takes it again, over and over, in a tuplespace of Ruby's Rinda that holds others already; prints one JSON object.
# The tuples are those of Sources/TupleSpaceBenchmark, in this process: no DRb.
#
#     ruby pairs.rb RESIDENT PAIRS
require "json"
require "rinda/tuplespace"

resident, pairs = ARGV.map { |argument| Integer(argument) }
abort "ruby pairs.rb RESIDENT PAIRS" unless pairs&.positive? && resident >= 0

def tuple(kind, number) = ["#{kind}%09d" % number, "t%09d" % number, "a message of some forty-four bytes %09d" % number]

space = Rinda::TupleSpace.new
resident.times { |number| space.write(tuple("u", number)) }
tuples = Array.new(pairs) { |number| tuple("p", number) }
GC.start
began = Process.clock_gettime(Process::CLOCK_MONOTONIC)
tuples.each do |written|
  space.write(written)
  abort "another tuple was taken" unless space.take(written) == written
end
seconds = Process.clock_gettime(Process::CLOCK_MONOTONIC) - began
puts JSON.generate(resident: resident, pairs: pairs, seconds: seconds, rate: pairs / seconds)
