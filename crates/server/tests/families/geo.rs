//! Places on Earth.

use super::check;
use stillpoint_server::TestClient;

#[test]
fn places_distances_and_geohashes_are_those_of_redis() {
    let mut c = TestClient::new();
    check(
        &mut c,
        &[
            ("GEOADD Sicily 13.361389 38.115556 Palermo 15.087269 37.502669 Catania", ":2"),
            ("GEOADD Sicily XX CH 13.361389 38.115556 Palermo", ":0"),
            ("TYPE Sicily", "+zset"),
            ("ZSCORE Sicily Palermo", "$16\n3479099956230698"),
            ("GEODIST Sicily Palermo Catania", "$11\n166274.1516"),
            ("GEODIST Sicily Palermo Catania KM", "$8\n166.2742"),
            ("GEODIST Sicily Palermo nobody", "$-1"),
            ("GEOHASH Sicily Palermo nobody", "*2\n$11\nsqc8b49rny0\n$-1"),
            (
                "GEOPOS Sicily Palermo nobody",
                "*2\n*2\n$20\n13.36138933897018433\n$20\n38.11555639549629859\n*-1",
            ),
            ("GEOADD Sicily 200 0 x", "-ERR invalid longitude,latitude pair 200.000000,0.000000"),
            ("GEOADD Sicily NX XX 1 1 x", "-ERR syntax error"),
            (
                "GEODIST Sicily a b leagues",
                "-ERR unsupported unit provided. please use M, KM, FT, MI",
            ),
        ],
    );
}

#[test]
fn members_within_circles_and_boxes_are_found_and_stored() {
    let mut c = TestClient::new();
    check(
        &mut c,
        &[
            ("GEOADD s 13.361389 38.115556 Palermo 15.087269 37.502669 Catania", ":2"),
            ("GEOADD s 12.758489 38.788135 edge1 17.241510 38.788135 edge2", ":2"),
            ("GEOSEARCH s FROMLONLAT 15 37 BYRADIUS 200 km ASC", "*2\n$7\nCatania\n$7\nPalermo"),
            (
                "GEOSEARCH s FROMLONLAT 15 37 BYBOX 400 400 km ASC WITHDIST",
                "*4\n*2\n$7\nCatania\n$7\n56.4413\n*2\n$7\nPalermo\n$8\n190.4424\n*2\n$5\nedge2\n$8\n279.7403\n*2\n$5\nedge1\n$8\n279.7405",
            ),
            ("GEORADIUS s 15 37 200 km COUNT 1 WITHHASH", "*1\n*2\n$7\nCatania\n:3479447370796909"),
            ("GEORADIUSBYMEMBER s Palermo 10 m", "*1\n$7\nPalermo"),
            ("GEORADIUSBYMEMBER s nobody 10 m", "-ERR could not decode requested zset member"),
            ("GEORADIUSBYMEMBER nothing Palermo 10 m", "*0"),
            ("GEOSEARCHSTORE d s FROMLONLAT 15 37 BYRADIUS 200 km STOREDIST", ":2"),
            ("ZRANK d Palermo", ":1"),
            ("GEORADIUS s 15 37 200 km STORE e COUNT 1", ":1"),
            ("ZSCORE e Catania", "$16\n3479447370796909"),
            ("GEORADIUS s 15 37 1 m STORE e", ":0"),
            ("EXISTS e", ":0"),
            ("GEORADIUS_RO s 15 37 1 m STORE e", "-ERR syntax error"),
            (
                "GEORADIUS s 15 37 1 m STORE e WITHDIST",
                "-ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
            ),
            (
                "GEOSEARCH s BYRADIUS 1 m ASC DESC COUNT 1",
                "-ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for GEOSEARCH",
            ),
            (
                "GEOSEARCH s FROMLONLAT 15 37 ASC",
                "-ERR wrong number of arguments for 'geosearch' command",
            ),
            (
                "GEOSEARCH s FROMLONLAT 15 37 ASC ANY",
                "-ERR exactly one of BYRADIUS and BYBOX can be specified for GEOSEARCH",
            ),
        ],
    );
}

#[test]
fn the_date_line_divides_nobody() {
    let mut c = TestClient::new();
    check(
        &mut c,
        &[
            ("GEOADD k -179.9 0 west 179.9 0 east", ":2"),
            ("GEOSEARCH k FROMMEMBER west BYRADIUS 30 km ASC", "*2\n$4\nwest\n$4\neast"),
            ("GEOSEARCH k FROMLONLAT 0 0 BYRADIUS 30000 km COUNT 5 ANY", "*2\n$4\neast\n$4\nwest"),
        ],
    );
}

#[test]
fn a_score_beyond_the_world_is_nowhere() {
    let mut c = TestClient::new();
    check(
        &mut c,
        &[
            ("GEOADD s 13.361389 38.115556 Palermo 180 85.05112878 corner", ":2"),
            ("ZADD s 1e300 far inf farther", ":2"),
            ("GEORADIUS s 0 0 19000 mi ASC", "*2\n$7\nPalermo\n$6\ncorner"),
            ("GEOSEARCHSTORE d s FROMLONLAT 0 0 BYRADIUS 19000 mi", ":2"),
        ],
    );
}

/// Replies and distances are Valkey 9.1.2's.
#[test]
fn members_within_polygons_are_found_and_stored() {
    let mut c = TestClient::new();
    let isles = "GEOADD isles -28.0 38.5 azores -17 32.7 madeira -15.5 28.1 canaries -23.6 15.1 capeverde -5.7 -15.9 helena";
    let few = "-ERR GEOSEARCH BYPOLYGON must have at least 3 vertices";
    let number = "-ERR invalid number of vertices";
    check(
        &mut c,
        &[
            (isles, ":5"),
            (
                "GEOSEARCH isles BYPOLYGON 4 -32 42 -10 36 -12 26 -30 30 ASC WITHDIST",
                "*3\n*2\n$7\nmadeira\n$11\n368073.2013\n*2\n$8\ncanaries\n$11\n812812.7890\n*2\n$6\nazores\n$11\n831474.2473",
            ),
            (
                "GEOSEARCH isles WITHHASH COUNT 2 BYPOLYGON 4 -32 42 -10 36 -12 26 -30 30 DESC",
                "*2\n*2\n$6\nazores\n:1933033558639927\n*2\n$8\ncanaries\n:1942062555618216",
            ),
            // Sides that cross one another.
            ("GEOSEARCH isles BYPOLYGON 4 -32 42 -12 26 -10 36 -30 12", "*1\n$6\nazores"),
            // Half the map.
            (
                "GEOSEARCH isles BYPOLYGON 4 -180 -85 180 -85 180 20 -180 20 DESC",
                "*2\n$9\ncapeverde\n$6\nhelena",
            ),
            ("GEOSEARCHSTORE d isles BYPOLYGON 3 -32 42 -10 36 -12 12 STOREDIST", ":3"),
            ("ZRANGE d 0 -1", "*3\n$7\nmadeira\n$8\ncanaries\n$6\nazores"),
            ("GEOSEARCH isles BYPOLYGON 2 1 1 2 2 3 3", few),
            ("GEOSEARCH isles BYPOLYGON 4 1 1 2 2 3 3", few),
            ("GEOSEARCH isles BYPOLYGON -1 1 1 2 2 3 3", few),
            ("GEOSEARCH isles BYPOLYGON 2147483647 1 1 2 2 3 3", few),
            ("GEOSEARCH isles BYPOLYGON 2147483648 1 1 2 2 3 3", number),
            ("GEOSEARCH isles BYPOLYGON x 1 1 2 2 3 3", number),
            ("GEOSEARCH isles BYPOLYGON 3 1 1 2 2 3 x", "-ERR value is not a valid float"),
            (
                "GEOSEARCH isles BYPOLYGON 3 1 1 2 2 3 86",
                "-ERR invalid longitude,latitude pair 3.000000,86.000000",
            ),
            ("GEOSEARCH isles BYPOLYGON 3 1 1 2 2 3 3 BYBOX 4 4 km", "-ERR syntax error"),
            ("GEOSEARCH isles BYBOX 4 4 km BYPOLYGON 3 1 1 2 2 3 3", "-ERR syntax error"),
            ("GEOSEARCH isles BYPOLYGON 3 1 1 2 2 3 3 FROMMEMBER azores", "-ERR syntax error"),
            ("GEOSEARCH isles FROMLONLAT 1 1 BYPOLYGON 3 1 1 2 2 3 3", "-ERR syntax error"),
            ("GEOSEARCH none FROMMEMBER x BYPOLYGON 3 1 1 2 2 3 3", "-ERR syntax error"),
            ("GEOSEARCH isles WITHDIST WITHCOORD WITHHASH ASC BYPOLYGON", "-ERR syntax error"),
            ("GEORADIUS isles 1 1 1 km BYPOLYGON 3 1 1 2 2 3 3", "-ERR syntax error"),
        ],
    );
}
